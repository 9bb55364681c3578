"""What python_wire.py talks to: a plugin that uses all of supd.py. With LOOP in
its environment it does so on that loop, with WITHOUT_MSGPACK as if there was no such package."""
import functools
import os
import sys
import threading

import supd

if os.environ.get("WITHOUT_MSGPACK"):
    sys.modules["msgpack"] = None
plugin = supd.Plugin("wire", "1.2.3", threads=2,
                     loop=os.environ.get("LOOP", "auto"))
state = {"released": threading.Event(), "cancelled": 0, "blob": b"nothing"}
if os.environ.get("LOOP") == "asyncio":
    import asyncio
    sleep = asyncio.sleep
    CancelledError = asyncio.CancelledError
else:
    sleep = supd.sleep
    CancelledError = supd.Cancelled


@plugin.on_start
async def start():
    await sleep(0.001)
    if plugin.settings.get("refuses"):
        raise ValueError("it does not want to")
    for number in range(plugin.setting("extra", 0)):
        plugin.tool("extra-%d" % number, inline=True)(lambda args: number)


@plugin.health
def health():
    if plugin.settings.get("sick"):
        raise supd.Error("busy", "not well")


@plugin.on_configure
async def configure(settings):
    if "bad" in settings:
        raise ValueError("bad is not wanted")


@plugin.export_state(version=3)
def export():
    return plugin.settings.get("exports", state["blob"])


@plugin.import_state
async def take(version, blob):
    if version != 3:
        raise supd.Error("version", "only 3")
    state["blob"] = blob


class Mine(BaseException):
    pass


class Silent(Exception):
    def __bool__(self):
        raise Mine("no truth")

    def __str__(self):
        raise Mine("no text")


class Awaitable:
    """What its __await__ does is the parameter."""

    def __init__(self, steps):
        self.steps = steps

    def __await__(self):
        return self.steps()


class NoAwait:
    @property
    def __await__(self):
        raise Mine("no __await__")


class NoAttributes:
    def __getattr__(self, name):
        raise Mine(name)


def raising(problem):
    def steps():
        raise problem
    return steps


def garbage():
    yield "garbage"


def stubborn():
    while True:
        try:
            yield 5
        except Exception:
            pass


async def no_coroutine():
    return await Awaitable(lambda: None)


async def twice():
    one = sleep(0)
    await one
    await one


def of_another_loop():
    import asyncio
    return asyncio.new_event_loop().create_future()


ODD = {
    "awaits-mine": lambda: Awaitable(raising(Mine("x"))),
    "awaits-exit": lambda: Awaitable(raising(SystemExit(3))),
    "awaits-interrupt": lambda: Awaitable(raising(KeyboardInterrupt())),
    "awaits-stop": lambda: Awaitable(raising(StopIteration(1))),
    "awaits-generator-exit": lambda: Awaitable(raising(GeneratorExit())),
    "awaits-nothing": no_coroutine,
    "yields-garbage": lambda: Awaitable(garbage),
    "yields-garbage-for-ever": lambda: Awaitable(stubborn),
    "awaited-twice": twice,
    "property": NoAwait,
    "attributes": NoAttributes,
    "mine": lambda: raising(Mine("x"))(),
    "interrupt": lambda: raising(KeyboardInterrupt())(),
    "exit": lambda: raising(SystemExit(3))(),
    "silent": lambda: raising(Silent())(),
    "odd-code": lambda: raising(supd.Error(object(), object()))(),
    "another-loop": of_another_loop,
}


@plugin.tool("odd-inline", inline=True)
def odd_inline(what):
    return ODD[what]()


@plugin.tool("odd-pool")
def odd_pool(what):
    return ODD[what]()


@plugin.tool("odd-async")
async def odd_async(what):
    value = ODD[what]()
    return await value if hasattr(type(value), "__await__") else value


@plugin.tool("odd-background", inline=True)
def odd_background(what):
    async def run():
        await odd_async(what)
    plugin.spawn(run())


@plugin.tool("odd-names", inline=True)
def odd_names(args):
    return list(ODD)


@plugin.tool("state", inline=True)
def show(args):
    return [len(state["blob"]), state["cancelled"], plugin.settings,
            plugin.id, plugin.generation, plugin.setting("a.b", 1),
            plugin.setting("a.b", "text"), plugin.setting("a.c", 2)]


@plugin.tool("fill", inline=True)
def fill(args):
    state["blob"] = bytes(i & 0xff for i in range(args))


@plugin.tool("block")
def block(args):
    return state["released"].wait(20)


@plugin.tool("release", inline=True)
def release(args):
    state["released"].set()


@plugin.http("GET", "/value/{what}", inline=True)
def value(req):
    return {"none": None, "text": "t", "bytes": b"b", "json": {"a": ["\u00e9"]},
            "pair": (201, [1]), "three": (202, "x", {"X-A": "1"}),
            "response": supd.Response(203, [("X-A", "1"), ("X-A", "2")], "y"),
            "deep": [[[[[[[[[[[[]]]]]]]]]]]],
            }[req.params["what"]]


@plugin.http("GET", "/request")
async def request(req):
    return [req.method, req.path, req.params, req.query, req.query_args(),
            req.headers, req.header("X-One"), req.header("no", "fallback"),
            req.peer, 0 < req.time_left() <= 5]


@plugin.http("POST", "/length")
async def length(req):
    return len(await req.body())


@plugin.http("POST", "/small", body_limit=100000)
async def small(req):
    return len(await req.body())


@plugin.http("POST", "/plain")
def plain(req):
    return [len(req.body()), sum(map(len, req.stream()))]


@plugin.http("POST", "/json")
async def parsed(req):
    return await req.json()


@plugin.http("POST", "/held")
async def held(req):
    while not state["released"].is_set():
        await sleep(0.001)
    total = 0
    async for piece in req.stream():
        total += len(piece)
    return total


@plugin.http("GET", "/big")
async def big(req):
    return b"x" * 1000000


@plugin.http("GET", "/pieces")
async def pieces(req):
    for number in range(3):
        yield "piece %d\n" % number
        await sleep(0)


@plugin.http("GET", "/generator")
def generator(req):
    for number in range(3):
        yield {"n": number}


@plugin.http("GET", "/events")
async def ticks(req):
    yield supd.Event(1, event="tick")


@plugin.http("GET", "/cut")
async def cut(req):
    yield b"begun"
    raise ValueError("in the middle")


@plugin.http("GET", "/forever")
async def forever(req):
    try:
        yield b"begun"
        while True:
            await sleep(10)
    finally:
        state["cancelled"] += 1


@plugin.tool("wait")
async def wait(args):
    try:
        await sleep(20)
    except CancelledError:
        state["cancelled"] += 1
        raise


@plugin.tool("stubborn")
async def stubborn(args):
    try:
        await sleep(20)
    except CancelledError:
        state["cancelled"] += 1
    return "done anyhow"


@plugin.tool("asks")
def asks(args, req):
    called = threading.Event()
    req.on_cancel(called.set)
    plugin.log("info", "asked")
    return called.wait(20) and req.cancelled


@plugin.tool("fails")
async def fails(args):
    if args == "error":
        raise supd.Error("conflict", "as asked")
    if args == "exit":
        sys.exit(3)
    if args == "exception":
        raise KeyError("gone")
    if args == "set":
        return set()
    if args == "large":
        return "x" * (1 << 20)
    if args == "no text":
        raise ValueError("\udc80")
    if args == "no str":
        raise Unspeakable()
    return "fine"


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("it cannot be said")


@plugin.tool("fails-plain")
def fails_plain(args):
    if args == "exit":
        sys.exit(3)
    if args == "no text":
        raise supd.Error("conflict", "\udc80")
    raise KeyError("gone")


def nested():
    value = []
    for _ in range(100000):
        value = [value]
    return value


@plugin.http("GET", "/answers/{what}")
def odd_answers(req):
    if req.params["what"] == "deep":
        return nested()
    if req.params["what"] == "pieces":
        return iter([nested()])
    return supd.Response(200, {"X-A": Unspeakable()}, "")


@plugin.http("POST", "/raises/{what}")
def raises(req):
    req.body()
    raise {"stop": StopIteration, "exit": SystemExit}[req.params["what"]]("x")


@plugin.http("GET", "/exits")
def exits(req):
    yield "begun"
    sys.exit(3)


@plugin.tool("misuse")
async def misuse(args):
    if args == "log":
        for level in ("warning", 10, 20, 30, 40, "critical", "loud", None):
            plugin.log(level, "a line")
    elif args == "emit":
        plugin.emit(5, {})
    elif args == "name":
        await plugin.call("tool", None)
    else:
        return await plugin.call("tool", "t", timeout=args)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@plugin.tool("decorated")
@decorated
async def decorated_tool(args):
    return args


@plugin.command("decorated")
@decorated
def decorated_command(text, req):
    return text + req.name


@plugin.tool("asks-late")
def asks_late(args, req):
    called = threading.Event()
    plugin.log("info", "asked")
    while not req.cancelled:
        pass
    req.on_cancel(called.set)
    state["cancelled"] += called.wait(20)


@plugin.http("GET", "/boom")
async def boom(req):
    raise KeyError("gone")


@plugin.method("calls")
async def calls(args):
    return await plugin.call("tool", args["name"], args["args"], timeout=2.5)


@plugin.method("calls-plain")
def calls_plain(args):
    try:
        return plugin.call("tool", args["name"], args["args"])
    except supd.Error as problem:
        return [problem.code, problem.text]


@plugin.command("says", help="says it")
async def says(text, req):
    for level in ("error", "warn", "info", "debug"):
        plugin.log(level, text)
    plugin.logger.warning("from %s", "logging")
    plugin.emit("said", {"text": text, "context": req.caller})
    return text.upper()


@plugin.command("says-plain")
def says_plain(text):
    plugin.log("info", text)
    plugin.emit("said", text)
    return 17


@plugin.tool("in-thread")
async def in_thread(args):
    here = threading.get_ident()
    return here != await plugin.in_thread(threading.get_ident)


@plugin.tool("spawns")
async def spawns(args):
    async def background():
        await sleep(0.001)
        raise ValueError("in the background")
    plugin.spawn(background())
    plugin.post(divmod, 1, 0)


@plugin.websocket("/senders")
async def senders(ws):
    async def send(number):
        await ws.send(b"%d" % number * 100000)
    tasks = [plugin.spawn(send(number)) for number in range(6)]
    await sleep(0)
    async for message in ws:
        tasks[int(message)].cancel()


@plugin.websocket("/receivers")
async def receivers(ws):
    async def receive(number):
        await ws.send("%d has %s" % (number, await ws.receive()))
    await ws.accept()
    tasks = [plugin.spawn(receive(number)) for number in range(4)]
    await sleep(0)
    tasks[1].cancel()
    await ws.send("ready")
    await sleep(20)


print("a line of stdout")
plugin.run()

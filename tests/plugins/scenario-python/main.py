"""scenario-python: what tests/system/test_languages.c asks for, in Python; the
same plugin stands in C and Node beside it."""
import supd

plugin = supd.Plugin("scenario", "1.0.0")
counters = {"cancelled": 0, "count": 0}


@plugin.on_configure
async def configure(settings):
    if settings.get("greeting") == "refused":
        raise supd.Error("conflict", "this greeting is not wanted")


@plugin.health
async def health():
    if plugin.setting("sick", False):
        raise supd.Error("busy", "not well")


@plugin.export_state(version=2)
def export():
    return b"%d" % counters["count"]


@plugin.import_state
def take(version, blob):
    if version != 2:
        raise supd.Error("version", "only 2")
    counters["count"] = int(blob)


# ---- answers ----

@plugin.http("GET", "/hello/{name}")
def hello(req):
    return {"hello": req.params["name"]}


@plugin.http("GET", "/text")
async def text(req):
    return "text\n"


@plugin.http("GET", "/nothing")
async def nothing(req):
    return None


@plugin.http("GET", "/teapot")
async def teapot(req):
    return supd.Response(418, {"X-Kind": "tea", "Content-Type": "text/x-tea"},
                         "short and stout\n")


@plugin.http("GET", "/fail/{code}")
async def fail(req):
    raise supd.Error(req.params["code"], "as asked")


@plugin.http("GET", "/request")
async def request(req):
    return "%s %s %s %s %s\n" % (req.method, req.path, req.query,
                                 req.header("X-One", "-"),
                                 req.header("X-Two", "-"))


@plugin.http("GET", "/heavy")
@plugin.http("POST", "/heavy")
def heavy(req):
    return supd.Response(200, {"X-Heavy": "x" * (1 << 20)}, "")


@plugin.http("GET", "/late")
async def late(req):
    await supd.sleep(0.5)
    return "late\n"


@plugin.http("GET", "/big")
def big(req):
    return b"x" * 1000000


# ---- pieces ----

@plugin.http("POST", "/length")
async def length(req):
    return {"length": len(await req.body())}


@plugin.http("POST", "/small", body_limit=1000)
async def small(req):
    return {"length": len(await req.body())}


@plugin.http("POST", "/sum", body_limit=1 << 30)
async def total(req):
    count = 0
    async for piece in req.stream():
        count += sum(piece)
    return {"sum": count}


@plugin.http("POST", "/echo", body_limit=1 << 30)
async def echo(req):
    return supd.Response(200, {"Content-Type": "application/octet-stream"},
                         req.stream())


@plugin.http("GET", "/pieces")
async def pieces(req):
    for number in range(3):
        yield "piece %d\n" % number


@plugin.http("GET", "/events")
def events(req):
    for number in range(3):
        yield supd.Event({"n": number}, event="tick", id=number)


@plugin.http("GET", "/cut")
async def cut(req):
    yield "begun\n"
    raise supd.Error("failed", "given up")


# ---- cancels ----

@plugin.http("GET", "/wait")
async def wait(req):
    try:
        await supd.sleep(60)
    except supd.Cancelled:
        counters["cancelled"] += 1
        raise


@plugin.http("GET", "/cancelled")
async def cancelled(req):
    return {"cancelled": counters["cancelled"]}


# ---- the gateway ----

@plugin.http("GET", "/me")
async def me(req):
    return {"id": plugin.id, "version": plugin.version,
            "generation": plugin.generation,
            "greeting": plugin.setting("greeting", "none"),
            "port": plugin.setting("server.port", 0),
            "absent": plugin.setting("server.name", "absent"),
            "other": plugin.setting("server.port", "no text")}


@plugin.http("GET", "/call")
async def call(req):
    return {"answer": await plugin.call("tool", "add", {"a": 20, "b": 22})}


@plugin.http("GET", "/call-none")
async def call_none(req):
    try:
        await plugin.call("tool", "no-such-tool", None)
    except supd.Error:
        return {"answer": None}


@plugin.http("GET", "/log/{level}")
async def log(req):
    plugin.log(req.params["level"], "a line of the scenario")


@plugin.http("GET", "/emit")
async def emit(req):
    plugin.emit("scenario.said", {"n": 1})


@plugin.http("POST", "/count")
async def count(req):
    counters["count"] += 1
    return {"count": counters["count"]}


@plugin.tool("add", "Adds two numbers.", schema={"type": "object"})
async def add(args):
    return args["a"] + args["b"]


@plugin.tool("fails")
async def fails(args):
    raise supd.Error("conflict", "as asked")


@plugin.method("double")
def double(args):
    return {"n": 2 * args["n"]}


@plugin.command("shout", help="Says it loudly.")
async def shout(words):
    return words.upper()


# ---- hooks ----

@plugin.hook("scenario.heard", name="heard", match={"n": [1, 2]})
async def heard(data, req):
    plugin.emit("scenario.echo", {"n": data["n"], "hook": req.name,
                                  "event": req.event,
                                  "by": req.context["plugin"]})
    return "which nobody wants"


@plugin.filter("tool.before", name="judge", priority=7, on_error="stop",
               match={"name": "judged"})
def judge(data):
    wanted = data["args"].get("verdict")
    if wanted == "change":
        return supd.change({"args": {"changed": True}})
    if wanted == "stop":
        return supd.stop("as asked")
    if wanted == "claim":
        return supd.claim({"claimed": True})
    if wanted == "fail":
        raise supd.Error("conflict", "no idea")


@plugin.tool("judged")
async def judged(args):
    return args


@plugin.tool("take")
async def take_event(args):
    return "seq" in await plugin.call("event", "scenario.taken", args)


# ---- command lines ----

@plugin.cli("cat", help="Copies its input.")
async def cat(req):
    async for piece in req.stream():
        await req.write(piece)


@plugin.cli("args", help="Says its arguments.", arguments="STATUS WORD...")
def say_args(req):  # in a thread of the pool
    req.write("".join("[%s]" % word for word in req.argv[1:]))
    req.write_error("to %s\n" % req.name)
    return int(req.argv[0]) if req.argv else None


@plugin.cli("wait", help="Waits.")
async def wait_cli(req):
    try:
        await req.write("waiting\n")
        await supd.sleep(60)
    except supd.Cancelled:
        counters["cancelled"] += 1
        raise


@plugin.cli("pour", help="Writes so many bytes.", arguments="BYTES")
def pour(req):
    left = int(req.argv[0])
    while left:
        size = min(left, 50000)
        req.write(b"x" * size)
        left -= size


@plugin.cli("cross", help="Fails.")
async def cross_cli(req):
    raise supd.Error("conflict", "as asked")


# ---- schedules ----

@plugin.schedule("hourly", "@hourly", zone="UTC", catch_up="none", timeout=5)
async def ticked(tick):
    plugin.emit("scenario.ticked", {
        "name": tick.name, "id": tick.tick_id, "due": int(tick.due * 1000),
        "missed": tick.missed})


@plugin.schedule("cross", "every 1d")
def cross(tick):
    raise supd.Error("conflict", "as asked")


# ---- calls that lead to each other ----

@plugin.tool("again", inline=True)
def again(args):
    return plugin.call("method", "around")


@plugin.method("around")
async def around(args):
    await supd.sleep(0)
    return await plugin.call("command", "about")


@plugin.command("about")
def about(text):  # in a thread of the pool
    return plugin.call("tool", "again")


@plugin.tool("left")
async def left(args, req):
    return int(1000 * req.time_left())


@plugin.tool("lend")
async def lend(args):
    await plugin.call("tool", "left")
    return await plugin.call("tool", "left")


# ---- its own reload ----

@plugin.tool("reload-self")
@plugin.http("POST", "/reload-self")
def reload_self(_):
    return plugin.call("method", "plugins.reload", {"pluginId": plugin.id})


# ---- other registrations ----

@plugin.http("POST", "/offer/{how}")
async def offer(req):
    def change():  # GET /text moves behind the others
        plugin.withdraw("tool", "fails")
        plugin.withdraw("http", "GET /text")
        plugin.http("GET", "/new")(lambda req: "new\n")
        plugin.tool("fresh")(mirror)
        plugin.http("GET", "/text")(text)

    def change_wrongly():
        plugin.http("GET", "/api/no")(text)
    await plugin.replace_offers(
        change if req.params["how"] == "right" else change_wrongly)
    return "changed\n"


# ---- values ----

@plugin.tool("mirror")
async def mirror(args):
    return args


@plugin.http("POST", "/mirror")
async def mirror_body(req):
    return await req.json()


@plugin.tool("relay")
async def relay(args):
    return await plugin.call("tool", "mirror", args)


@plugin.tool("tell")
async def tell(args):
    plugin.emit("scenario.value", args)


def bad(what):
    """A value that JSON cannot hold, at $.a[1]."""
    circle = []
    circle.append(circle)
    return {"a": [0, {"nan": float("nan"), "infinity": float("inf"),
                      "key": {1: 2}, "bytes": b"b", "int": 2**63,
                      "circle": circle, "surrogate": "\ud800", "set": {1},
                      }[what]]}


@plugin.tool("bad")
async def bad_answer(what):
    return bad(what)


@plugin.http("GET", "/bad/{what}")
async def bad_body(req):
    return bad(req.params["what"])


@plugin.tool("bad-emit")
async def bad_emit(what):
    plugin.emit("scenario.bad", bad(what))


@plugin.tool("bad-call")
async def bad_call(what):
    return await plugin.call("tool", "mirror", bad(what))


# ---- services, quiesce and take ----

def note(text):
    with open(plugin.data_dir + "/notes", "a") as notes:
        notes.write("%d %s\n" % (plugin.generation, text))


@plugin.on_start
def offer_services():
    if not plugin.setting("exclusive", False):
        return

    @plugin.service("ticker")
    async def ticker():
        await supd.sleep(0.001)
        note("start")
        if plugin.setting("broken", False):
            raise supd.Error("busy", "broken")

    @ticker.stop
    def stop():
        note("stop")

    @plugin.service("side", overlap=True)
    def side():
        note("side starts")

    @side.stop
    async def side_stop():
        note("side stops")

    plugin.on_quiesce(lambda: note("quiesce"))

    @plugin.on_take
    async def take_over(epoch):
        note("take %d" % epoch)

    @plugin.http("GET", "/rain")
    async def rain(req):
        plugin.service_status("ticker", "waiting", "for rain")


# ---- WebSocket connections ----

@plugin.websocket("/talk/{room}", protocols=["scenario.v2", "scenario"],
                  message_limit=100000)
async def talk(ws):
    if ws.header("x-refuse"):
        return int(ws.header("x-refuse"))
    if ws.header("x-fail"):
        raise supd.Error(ws.header("x-fail"), "as asked")
    count = int((ws.moved or {}).get("blob") or 0)
    ws.on_move = lambda: b"%d" % count
    await ws.accept(headers={"X-Room": ws.params["room"]})
    if ws.moved:
        blob = ws.moved["blob"]
        await ws.send("moved %s %s" % (
            ws.moved["how"], "-" if blob is None else blob.decode()))
    async for message in ws:
        count += 1
        if message == "close":
            await ws.close(4000, "as asked")
        elif message == "big":
            await ws.send(b"x" * 90000)
        elif message == "large":
            await ws.send(b"x" * 100001)
        elif message == "count":
            await ws.send("%d in %s" % (count, plugin.generation))
        else:
            await ws.send(message)
    counters["closed"] = counters.get("closed", 0) + 1


@plugin.websocket("/pinned", pinned=True)
async def pinned(ws):
    async for message in ws:
        await ws.send("in %d" % plugin.generation)


@plugin.http("GET", "/talk/{room}")
async def room(req):
    return "the room %s\n" % req.params["room"]


plugin.run()

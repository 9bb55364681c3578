"""lapses: what tests/sdk/lapses.py asks for, in Python; the same plugin stands
in C and Node beside it. A test has one connection."""
import os
import sys

if os.environ.get("LOOP") == "asyncio":
    import asyncio  # noqa: F401
import supd

plugin = supd.Plugin("lapses", "1.0.0")
state = {"closes": [], "stops": 0, "move": "fine", "result": None}
waiting = []  # for `go`
MOVES = {"large": b"x" * 70000, "huge": b"x" * (2 << 20), "odd": object(),
         "text": "\udc80", "number": 7, "fine": b"fine"}


async def until_go():
    waiting.append(supd._loop.future())
    await waiting[-1]


@plugin.websocket("/ws")
async def connection(ws):
    how = ws.header("x-do")
    if how == "close":
        await ws.close()
        return None
    headers = {"X-Heavy": "x" * (1 << 20)} if how == "heavy" else {}
    ws.on_move = lambda: MOVES[state["move"]]
    try:
        if how == "late":
            await until_go()
        await ws.accept(headers=headers)
        if how:
            await ws.send(how)
        while True:
            await said(ws, await ws.receive())
    except supd.Closed as closed:
        state["closes"].append(closed.code)


async def said(ws, text):
    if text == "hold":
        await until_go()
    elif text.startswith("close "):
        await ws.close(int(text[6:]), "as asked")
    elif text == "note":
        state["closes"].append(text)
    elif text.startswith("move "):
        state["move"] = text[5:]


@plugin.tool("heard", inline=True)
def heard(args):
    return state["closes"]


@plugin.tool("go", inline=True)
def go(args):
    while waiting:
        future = waiting.pop()
        if not future.done():
            future.set_result(None)


@plugin.service("slow")
async def slow():
    await until_go()
    return state["result"]


@slow.stop
async def stop():
    state["stops"] += 1
    return state["result"]


@plugin.tool("stopped", inline=True)
def stopped(args):
    return state["stops"]


@plugin.tool("odd", inline=True)
def odd(args):
    state["result"] = 7


@plugin.on_quiesce
def quiesce():
    return state["result"]


@plugin.on_take
async def take(epoch):
    return state["result"]


def change(what):
    if what == "service":
        plugin.service("other")(stop)
    elif what == "withdraw":
        plugin.withdraw("http", "GET /ws websocket")
    elif what == "withdraw plain":
        plugin.withdraw("http", "GET /ws")
    elif what == "again":
        plugin.withdraw()
        for function in (heard, go, stopped):
            plugin.tool(function.__name__, inline=True)(function)
        plugin.service("slow")(slow._start).stop(stop)
    elif what == "on_error":
        plugin.hook("a", on_error="stop")(stopped)
    elif what == "option":
        plugin.tool("mistaken", idempotant=True)(stopped)
    else:
        plugin.tool(what)(stopped)


@plugin.tool("offer")
async def offer(args):
    try:
        if args["what"] == "late":
            plugin.withdraw()
        await plugin.replace_offers(lambda: change(args["what"]))
    except supd.Error as problem:
        return problem.text
    except Exception as problem:
        print(problem, file=sys.stderr)
        return "refused here"
    return "fine"


plugin.run()

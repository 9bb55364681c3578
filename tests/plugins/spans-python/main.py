"""spans-python: work of every kind, for tests/system/test_spans.c. Where it
answers with a place in a trace, that is the `traceparent` of its request. GET
/chain calls a tool of spans-node, which calls one of spans-c."""
import supd

plugin = supd.Plugin("spans-python", "1.0.0")


@plugin.http("GET", "/chain")
async def chain(req):
    return {"python": req.traceparent,
            **await plugin.call("tool", "node-step", {})}


@plugin.http("GET", "/headers")
def headers(req):
    """Every header of a trace, in order."""
    return "".join("%s=%s\n" % pair for pair in req.headers
                   if pair[0] in ("traceparent", "tracestate"))


@plugin.http("GET", "/emit")
async def emit(req):
    plugin.emit("spans.said", {})
    return req.traceparent or ""


@plugin.hook("spans.said", name="heard")
async def heard(data, req):
    plugin.emit("spans.echo", {"traceparent": req.traceparent})


@plugin.filter("tool.before", name="judge", match={"name": "judged"})
def judge(data):
    return None


@plugin.tool("judged")
async def judged(args, req):
    return {"python": req.traceparent}


@plugin.command("say")
async def say(text, req):
    return "%s" % req.traceparent


@plugin.method("span-method")
async def method(args, req):
    return {"python": req.traceparent}


@plugin.cli("where", help="Says its place.")
async def where(req):
    await req.write("%s" % req.traceparent)


@plugin.schedule("daily", "every 1d")
async def tick(req):
    await plugin.call("tool", "node-step", {})


@plugin.websocket("/talk")
async def talk(ws):
    ws.on_move = lambda: b""
    await ws.accept()
    if ws.moved:
        await ws.send("moved")
    async for _ in ws:
        await ws.send("%d %s" % (
            sum(name == "traceparent" for name, _ in ws.headers),
            ws.header("traceparent", "none")))


plugin.run()

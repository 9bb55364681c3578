"""relay: a channel that does what tests/sdk/channels.py asks for, in Python; the
same plugin stands in C and Node beside it."""
import json
import os
import sys

if os.environ.get("LOOP") == "asyncio":
    import asyncio  # noqa: F401
import supd

plugin = supd.Plugin("relay", "1.0.0")
modes = {"start": "ok", "stop": "ok", "send": "sent"}
journal = []
held = []  # answers that are sent when the test says `go`
note = journal.append
CAN = ["text", "react", "find"]


async def hold(what):
    if modes[what] == "hold":
        held.append(supd._loop.future())
        await held[-1]
    if modes[what] == "fail":
        raise supd.Error("failed", "the server refuses" if what == "start"
                         else "it does not stop")


def sent():
    mode = modes["send"]
    if mode == "not_sent":
        raise supd.NotSent("nobody is there")
    if mode == "retry":
        raise supd.Retry(0.05)
    if mode == "fail":
        raise RuntimeError("who knows")
    return {"value": {"ids": ["p1", "p2"], "at": 7},
            "nothing": None}.get(mode, "p1")


@plugin.channel("relay", can=CAN, ack="handled", announce=True, text_limit=400)
async def relay(channel):
    note("start %d %s" % (channel.epoch,
                          (channel.cursor or b"none").decode()))
    await hold("start")


@relay.stop
async def stop():
    note("stop")
    await hold("stop")
    return "mine" if modes["stop"] == "cursor" else None


@relay.send
async def send(target, content, send_id):
    note("send %s %s %s %s" % (send_id, target["chat"],
                               target.get("thread", "-"), content["text"]))
    return sent()


@relay.find
async def find(send_id, target, since):
    note("find %s %s %d" % (send_id, target["chat"], round(since * 1000)))
    return sent()


@relay.act
def act(action, target, args):
    note("act %s %s %s" % (action, target["id"], args["emoji"]))
    return sent()


async def give(message_id, lane, cursor=None, more="{}"):
    async def acknowledge():
        print("ack " + message_id, file=sys.stderr)
        note("ack " + message_id)
    how = "none"
    try:
        how = await relay.receive({
            "id": message_id, "lane": lane, "cursor": cursor, "at": 5,
            "from": {"id": "ann", "name": "Ann", "verified": True,
                     "phone": None},
            "chat": {"id": "room", "type": "group"}, "thread": None,
            "text": "Hello", **json.loads(more)}, acknowledge)
    except (supd.Stopped, supd.Error, TypeError) as problem:
        print("%s: %s" % (message_id, problem), file=sys.stderr)
    note("over %s %s" % (message_id, how))


@plugin.tool("receive", inline=True)
def receive(args):
    plugin.spawn(give(args["id"], args.get("lane", "lane"),
                      args.get("cursor"), args.get("more") or "{}"))


@plugin.tool("wait")
def wait(args):
    """In a thread, with an acknowledge that is a plain function."""
    return relay.receive({"id": args["id"], "lane": "lane"},
                         lambda: note("ack " + args["id"]))


async def tell_room():
    await relay.room()
    note("room")


@plugin.tool("flood", inline=True)
def flood(args):
    for number in range(256):
        plugin.spawn(give("m%d" % number, "m%d" % number))
    plugin.spawn(tell_room())
    return 256


@plugin.tool("odd", inline=True)
def odd(args):
    said = []
    for message in ([], {"id": 1, "lane": "l"},
                    {"id": "1", "lane": "l", "raw": [float("nan")]},
                    {"id": "1", "lane": "l", "cursor": 7}):
        try:
            relay.receive(message)
        except (TypeError, supd.Error) as problem:
            said.append(str(problem))
    return said


@plugin.tool("overflow", inline=True)
def overflow(args):
    count = {"waits": 0, "busy": 0}
    for number in range(10257):
        try:
            relay.receive({"id": str(number), "lane": str(number)})
        except supd.Error as problem:
            count["busy" if problem.code == "busy" else "waits"] += 1
    return count


@plugin.tool("set", inline=True)
def set_modes(args):
    modes.update(args)


@plugin.tool("go", inline=True)
def go(args):
    while held:
        future = held.pop()
        if not future.done():
            future.set_result(None)


@plugin.tool("journal", inline=True)
def read_journal(args):
    lines = list(journal)
    journal.clear()
    return lines


@plugin.tool("status", inline=True)
def status(args):
    relay.status("connecting", "to it")
    relay.status("up")
    relay.status("waiting", "5 s")
    relay.status("down")
    relay.status("login", "code?")
    relay.status("failed", "banned")


@plugin.tool("send")
async def send_out(args):
    return await plugin.send("other", "c1", "Hello", key="k1", timeout=0.3,
                             thread="t1", reply_to="r1")


@plugin.tool("act")
async def act_out(args):
    return await plugin.act(*{
        "edit": ("other", "edit", "c1", "m1", "New", 0.3),
        "react": ("other", "react", "c1", "m1", "+", 0.3),
        "delete": ("other", "delete", "c1", "m1", None, 0.3, "t1"),
        "typing": ("other", "typing", "c1", None, None, 0.3),
    }[args["action"]])


@plugin.tool("offer")
async def offer(args):
    try:
        await plugin.replace_offers(
            lambda: plugin.channel("half")(relay._start))
    except ValueError as problem:
        print(problem, file=sys.stderr)
    await plugin.replace_offers(
        lambda: plugin.tool("another", inline=True)(go))
    return "fine"


plugin.run()

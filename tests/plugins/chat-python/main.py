"""chat: a channel whose outside server is a folder of the test. Whoever holds
its lock is connected. DIR/inbox has a message a line, as JSON; what is sent is a
line of DIR/outbox; DIR/journal says what happened, a line each with the
generation in front. Files that change what happens:

refuse      connecting fails while it exists
hold        sending waits while it exists
sends       a word for each send, taken from its front: retry, not_sent, fail,
            die (before it goes out), late (dies after it went out), hold (waits
            for the file `release`)
pause       "STEP ID": who first comes to this step with a text that ends in ID
            waits there for the file go. Steps: give (before supd is given the
            message), send (before it goes out), sent (after it went out)
drop        the connection is lost: it is made again once this file and refuse
            are gone

The settings boot (exit), start (die, hang) and stop (fail, die, hang) say what
happens then; gated waits in the start for the file open; with without there is
no channel. With acks the server gives whatever is not in DIR/acked again to each
new connection, else what is after the cursor.
"""
import fcntl
import json
import os

import supd

plugin = supd.Plugin("chat-python", "1.0.0")
lock = None
reader = None
position = 0
DEFAULTS = {"at": 1700000000000, "lane": "room",
            "from": {"id": "ann", "name": "Ann", "verified": True},
            "chat": {"id": "room", "type": "group"}}


def path(name):
    return os.path.join(plugin.setting("dir", "."), name)


def note(text):
    with open(path("journal"), "a", encoding="utf-8") as journal:
        journal.write("%d %s\n" % (plugin.generation, text))


async def hold(step, text):
    if not os.path.exists(path("pause")):
        return
    with open(path("pause"), encoding="utf-8") as file:
        wanted, _, ending = file.read().strip().partition(" ")
    if wanted != step or not text.endswith(ending):
        return
    os.unlink(path("pause"))
    note("holds %s %s" % (step, ending))
    while not os.path.exists(path("go")):
        await supd.sleep(0.005)


class Outside:
    """The one connection."""

    def __init__(self):
        self.file = open(path("lock"), "a", encoding="utf-8")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            note("two-holders")
            raise supd.Error("failed", "somebody else is connected")

    def close(self):
        self.file.close()


def lines():
    if not os.path.exists(path("inbox")):
        return []
    with open(path("inbox"), encoding="utf-8") as inbox:
        return [line for line in inbox.read().split("\n")[:-1]]


def ids_acknowledged():
    if not os.path.exists(path("acked")):
        return set()
    with open(path("acked"), encoding="utf-8") as file:
        return set(file.read().split("\n"))


def unacknowledged():
    """The server's own record says what is given again."""
    known = ids_acknowledged()
    return [line for line in lines() if json.loads(line)["id"] not in known]


def acknowledge(answer, message):
    if answer not in ("new", "seen", "refused"):
        return
    with open(path("acked"), "a", encoding="utf-8") as file:
        file.write(message["id"] + "\n")


async def receive(channel, line, cursor):
    message = dict(DEFAULTS, cursor=str(cursor), **json.loads(line))
    try:
        note("%s %s" % (await channel.receive(message), message["id"]))
    except supd.Stopped:
        note("stopped-with %s" % message["id"])


async def come_back(channel):
    """The connection is lost: others may have it meanwhile."""
    global lock
    note("lost")
    lock.close()
    lock = None
    channel.status("waiting", "the connection is lost")
    while os.path.exists(path("drop")) or os.path.exists(path("refuse")):
        await supd.sleep(0.01)
    lock = Outside()
    channel.status("up")
    note("back")


async def read(channel):
    global position
    while True:
        if os.path.exists(path("drop")):
            await come_back(channel)
        acks = plugin.setting("acks", False)
        waiting = unacknowledged() if acks else lines()[position:]
        if plugin.setting("together", False):
            for line in waiting:
                try:
                    await channel.room()
                except supd.Stopped:
                    return
                position += 1
                plugin.spawn(receive(channel, line, position))
            waiting = []
        for line in waiting:
            message = dict(DEFAULTS, **json.loads(line))
            if not acks:
                message.setdefault("cursor", str(position + 1))
            await hold("give", message["id"])
            try:
                answer = await channel.receive(message)
            except supd.Stopped:
                note("stopped-with %s" % message["id"])
                return
            except supd.Error as problem:
                answer = problem.code + ": " + problem.text
            position += 1
            note("%s %s" % (answer, message["id"]))
            if acks:
                acknowledge(answer, message)
        await supd.sleep(0.01)


async def connect(channel):
    global lock, reader, position
    note("start %d %s" % (channel.epoch, (channel.cursor or b"nil").decode()))
    if plugin.setting("refuses", False) or os.path.exists(path("refuse")):
        raise supd.Error("failed", "the server refuses")
    leave()  # of a stop that failed
    if not plugin.setting("overlap", False):
        lock = Outside()
    if plugin.setting("start", "") == "die":
        os._exit(9)
    while plugin.setting("start", "") == "hang":
        await supd.sleep(1)
    if plugin.setting("gated", False):
        note("waits")
    while plugin.setting("gated", False) and not os.path.exists(path("open")):
        await supd.sleep(0.005)
    position = int(channel.cursor or b"0")
    reader = plugin.spawn(read(channel))
    note("connected %d" % channel.epoch)


def leave():
    global lock, reader
    if reader:
        reader.cancel()
    if lock:
        lock.close()
    reader = lock = None


async def disconnect():
    note("stop")
    if plugin.setting("stop", "") == "fail":
        raise supd.Error("failed", "it does not stop")
    if plugin.setting("stop", "") == "die":
        os._exit(9)
    while plugin.setting("stop", "") == "hang":
        await supd.sleep(1)
    leave()
    note("stopped")
    if plugin.setting("cursor", "") == "none" or \
            plugin.setting("together", False):
        return None
    return str(position)


def next_word():
    if not os.path.exists(path("sends")):
        return ""
    with open(path("sends"), encoding="utf-8") as file:
        words = file.read().split()
    with open(path("sends"), "w", encoding="utf-8") as file:
        file.write(" ".join(words[1:]))
    return words[0] if words else ""


def put_out(send_id, target, content):
    with open(path("outbox"), "a", encoding="utf-8") as outbox:
        outbox.write(json.dumps({"send": send_id, "to": target["chat"],
                                 "reply_to": target.get("reply_to"),
                                 "text": content.get("text"),
                                 "gen": plugin.generation}) + "\n")


async def send(target, content, send_id):
    while os.path.exists(path("hold")):
        await supd.sleep(0.01)
    word = next_word()
    note("send %s %s" % (word or "ok", content.get("text")))
    if word == "retry":
        raise supd.Retry(0.05)
    if word == "not_sent":
        raise supd.NotSent("nobody is there")
    if word == "fail":
        raise RuntimeError("who knows")
    if word == "die":
        os._exit(9)
    await hold("send", content.get("text", ""))
    while word == "hold" and not os.path.exists(path("release")):
        await supd.sleep(0.01)
    put_out(send_id, target, content)
    if word == "late":
        os._exit(9)
    await hold("sent", content.get("text", ""))
    return "m-" + send_id


async def find(send_id, target, since):
    note("find %s" % target["chat"])
    if os.path.exists(path("outbox")):
        with open(path("outbox"), encoding="utf-8") as outbox:
            for line in outbox:
                if json.loads(line)["send"] == send_id:
                    return "m-" + send_id
    raise supd.NotSent("it is not there")


async def act(action, target, args):
    note("act %s %s %s %s" % (action, target["chat"], target.get("id"),
                              json.dumps(args, sort_keys=True)))
    return target.get("id")


async def nothing(*_):
    return None


async def rename(text):
    """SET COUNT: so many other channels instead of those before."""
    name, count = text.split()

    async def begin(channel):
        note("empty %s" % channel.name)

    def change():
        plugin.withdraw()
        plugin.command("rename")(rename)
        for number in range(int(count)):
            channel = plugin.channel("%s%d" % (name, number),
                                     overlap=True)(begin)
            channel.stop(nothing)
            channel.send(nothing)
    await plugin.replace_offers(change)
    return "renamed"


@plugin.on_start
def register():
    if plugin.setting("boot", "") == "exit":
        os._exit(9)
    if plugin.setting("without", False):
        plugin.command("nothing")(lambda text: "nothing")
        return
    if plugin.setting("renames", False):
        plugin.command("rename")(rename)
    can = plugin.setting("can", "text,find").split(",")
    channel = plugin.channel(
        plugin.setting("name", "chat"), can=can,
        ack=plugin.setting("ack", "stored"),
        text_limit=plugin.setting("text_limit", None),
        announce=plugin.setting("announce", False),
        overlap=plugin.setting("overlap", False))(connect)
    channel.stop(disconnect)
    channel.send(send)
    if "find" in can:
        channel.find(find)
    if "edit" in can:
        channel.act(act)


plugin.run()

"""talk: handles messages of the channel whose folder its settings name. has: a
list of command, filter, sending, observer, flood. many: a number of commands
more. What it gets is a line of DIR/heard,
with the generation in front. DIR/deaths has the number of times that it dies of
the text "poison". DIR/pause is "STEP ID": who first comes to this step with a
text that ends in ID waits there for the file go. Steps: filter, command,
observer, sending. fragile: the filter dies of it, too. service: there is a
service, whose start waits while DIR/closed exists. raw: true: DIR/raw has the
rest of what is observed."""
import json
import json
import os

import supd

plugin = supd.Plugin("talk-python", "1.0.0")


def path(name):
    return os.path.join(plugin.setting("dir", "."), name)


def note(text):
    with open(path("heard"), "a", encoding="utf-8") as heard:
        heard.write("%d %s\n" % (plugin.generation,
                                 text.replace("\0", "\\0")))


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


def die_of(text):
    if "poison" not in text:
        return
    with open(path("deaths"), encoding="utf-8") as file:
        left = int(file.read())
    if left:
        with open(path("deaths"), "w", encoding="utf-8") as file:
            file.write(str(left - 1))
        os._exit(9)


def note_raw(data):
    with open(path("raw"), "a", encoding="utf-8") as raw:
        raw.write("%s %s %s %s\n" % (
            data["lane"], json.dumps(data.get("text", None)),
            json.dumps(data.get("raw")), json.dumps(data.get("media"))))


async def echo(text, req):
    note("echo %s from %s" % (text, req.caller["from"]["id"]))
    die_of(text)
    await hold("command", text)
    return "echo " + text


async def context(text, req):
    return " ".join("%s=%s" % (key, json.dumps(req.caller[key]))
                    for key in sorted(req.caller))


async def slow(text):
    note("slow " + text)
    while not os.path.exists(path("gate")):
        await supd.sleep(0.01)
    note("slow-done " + text)
    return ""


async def late(text):
    """The same, with a reply."""
    await slow(text)
    return "late " + text


async def send(text):
    """CHAT TEXT: sends through the channel, and notes how that ended."""
    chat, _, rest = text.partition(" ")
    try:
        sent = await plugin.send(plugin.setting("channel", "chat"), chat, rest,
                                 timeout=plugin.setting("timeout", 10.0))
        note("state " + sent[1])
    except supd.Error as problem:
        note("refused " + str(problem))
    return ""


async def key(text):
    """KEY TEXT: the same, once for each key."""
    name, _, rest = text.partition(" ")
    sent = await plugin.send("chat", "room", rest, key=name, timeout=10.0)
    note("key %s %s %s" % (sent[1], sent[0], sent[2]))
    return ""


async def again(text):
    """KEY TEXT: the same key ten times, each as soon as the one before ended."""
    name, _, rest = text.partition(" ")
    for _ in range(10):
        sent = await plugin.send("chat", "room", rest, key=name, timeout=10.0)
        note("again %s %s %s" % (sent[1], sent[0], sent[2]))
    return ""


async def flood(text):
    """COUNT BYTES: so many sends of that size at once."""
    count, size = map(int, text.split())

    async def one():
        try:
            await plugin.send("chat", "bob", "x" * size, timeout=60.0)
        except supd.Error as problem:
            note("flood " + str(problem))
    for _ in range(count):
        plugin.spawn(one())
    note("flooding")
    return ""


async def filter_in(data):
    text = data.get("text", "")
    note("filter " + text)
    if plugin.setting("fragile", False):
        die_of(text)
    await hold("filter", text)
    if text.startswith("claim nothing"):
        return supd.claim({"reply": {"text": 5}})
    if text.startswith("claim"):
        return supd.claim({"reply": "claimed " + text[6:]})
    if text.startswith("stop"):
        return supd.stop("not wanted")
    if text.startswith("broken"):
        raise supd.Error("failed", "as asked")
    if text.startswith("change"):
        return supd.change(dict(data, text=text[7:], chat={"id": "forged"}))
    return None


async def filter_out(data):
    text = data["content"].get("text", "")
    await hold("sending", text)
    if "secret" in text:
        return supd.stop("secret")
    if "rude" in text:
        return supd.change(dict(data, content={
            "text": text.replace("rude", "kind")}))
    return None


async def observe(data):
    note("heard %s %s %s" % (data["lane"], data["id"], data.get("text")))
    if plugin.setting("raw", False):
        note_raw(data)
    die_of(data.get("text", ""))
    await hold("observer", data.get("text", ""))


async def serve():
    if os.path.exists(path("closed")):
        note("waits")
    while os.path.exists(path("closed")):
        await supd.sleep(0.01)
    note("serves")


async def serve_no_more():
    note("serves no more")


async def failed(data):
    note("failed %s" % data["reason"])


@plugin.on_start
def register():
    has = plugin.setting("has", "observer").split(",")
    if "command" in has:
        plugin.command("echo")(echo)
        plugin.command("slow")(slow)
        plugin.command("late")(late)
        plugin.command("context")(context)
        plugin.command("send")(send)
        plugin.command("key")(key)
        plugin.command("again")(again)
    if "flood" in has:
        plugin.command(plugin.setting("flood", "flood"))(flood)
    for number in range(plugin.setting("many", 0)):
        plugin.command("more%d" % number, help="One\nof many.")(echo)
    if plugin.setting("service", False):
        plugin.service("talk")(serve).stop(serve_no_more)
    if "filter" in has:
        plugin.filter("message.inbound", timeout=60.0,
                      on_error=plugin.setting("on_error", "skip"))(filter_in)
    if "sending" in has:
        plugin.filter("message.sending", timeout=60.0,
                      on_error="skip")(filter_out)
    if "observer" in has:
        plugin.hook("message.received", name="received",
                    timeout=60.0)(observe)
        plugin.hook("message.failed", name="failed")(failed)


plugin.run()

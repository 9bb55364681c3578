"""scenes: what happens in the rooms of the package webchat, without a browser.
Arguments: the scene, HOST:PORT, the folder of the run."""
import os
import resource
import signal
import sys

from page import Gone, Page, Refused, Socket
from supd_run import begin, ctl, ctl_pid, heard, is_up, kill, until

COUNT = 100


def status_of(where, **options):
    try:
        Socket(where, "/chat/ws", **options).close()
    except Refused as refused:
        return refused.args[0]
    return 101


def expect_close(where, code, *frames, hello=True):
    page = Page(where)
    if hello:
        page.until_welcome()
    for frame in frames:
        page.socket.say(frame)
    seen = page.end()
    assert seen[0] == code, (frames, seen)
    return seen


# ---- talking ----

def talk(where, folder):
    ann, bob = Page(where, "Ann"), Page(where, "Bob")
    ann.until_welcome()
    assert ann.welcome["name"] == "Ann" and ann.welcome["kind"] == "guest"
    assert ann.welcome["id"] == ann.own_id()
    bob.until_welcome().until(lambda: bob.people == 2, "two people")
    ann.say("h\u00e9llo \U0001f44b")
    bob.until_text("h\u00e9llo \U0001f44b")
    first = bob.messages[0]
    assert first["from"] == {"id": ann.own_id(), "name": "Ann",
                             "kind": "guest"}, first
    bob.say("/echo hi", reply_to=first["id"])
    for page in (ann, bob):
        page.until_text("echo hi")
    reply = ann.messages[-1]
    assert reply["from"]["kind"] == "bot", reply
    assert reply["reply_to"] == ann.messages[1]["id"], ann.messages
    assert ann.messages[1]["reply_to"] == first["id"]
    ann.until(lambda: ann.taken >= first["seq"], "it is with supd")
    ctl("send", "webchat", "lobby", "from outside")
    ann.until_text("from outside")
    ctl("send", "webchat", "nowhere", "lost", expect=1)
    until(lambda: heard(folder) == ["h\u00e9llo \U0001f44b", "/echo hi"],
          "both are heard")
    other = Page(where, "Ann", room="garden").until_welcome()
    other.say("roses")
    other.until_text("roses")
    assert other.texts() == ["roses"]
    assert "roses" not in ann.texts()


def missed(where, folder):
    """Who comes again gets what was said meanwhile, and nothing twice."""
    ann, bob = Page(where, "Ann").until_welcome(), Page(where, "Bob")
    ann.say("one")
    bob.until_text("one")
    bob.socket.close()
    ann.say("two")
    ann.until_text("two")
    bob.connect().until_text("two")
    assert bob.texts() == ["one", "two"], bob.texts()
    # The acknowledgement was lost on the way.
    ann.socket.say({"t": "say", "n": 2, "text": "two"})
    ann.say("three")
    bob.until_text("three")
    assert bob.texts() == ["one", "two", "three"], bob.texts()


# ---- reloads and crashes ----

def run_hundred(where, folder, disturb):
    """Says them without waiting; disturb() is called now and then."""
    ann, bob = Page(where, "Ann"), Page(where, "Bob")
    bob.until_welcome()
    ann.until_welcome()
    for i in range(COUNT):
        if i % 20 == 10:
            disturb(i)
        ann.say("m%d" % i)
    wanted = ["m%d" % i for i in range(COUNT)]
    for page in (ann, bob):
        page.until_text(wanted[-1])
        assert page.texts() == wanted, page.texts()
    last = ann.messages[-1]["seq"]
    ann.until(lambda: ann.taken >= last, "all is with supd")
    until(lambda: len(heard(folder)) >= COUNT, "all is heard")
    assert heard(folder) == wanted, heard(folder)
    return ann


def reloads(where, folder):
    """Of the page's plugin and of one that hears the messages, both at once;
    some are waited for before more is said."""
    running = []

    def reload(i):
        for process in running:
            assert process.wait(120) == 0
        running[:] = [begin("reload", "webchat"), begin("reload", "talk")]
        if i % 40 == 30:
            running[0].wait(120)
    ann = run_hundred(where, folder, reload)
    for process in running:
        assert process.wait(120) == 0
    # All of that on the first connection, which was moved.
    ann.until(lambda: ann.welcomes >= 6, "the last move")


def crashes(where, folder):
    """The connections stay; what the dead worker had is said again."""
    def crash(i):
        if i == 50:
            kill("webchat")
    ann = run_hundred(where, folder, crash)
    assert ann.welcomes > 1


def failed_reload(where, folder):
    """The new version does not start: the old one goes on."""
    ann = Page(where, "Ann").until_welcome()
    path = folder + "/packages/webchat/house.py"
    with open(path, encoding="utf-8") as file:
        good = file.read()
    begins = "history = open_history("
    broken = good.replace(begins, "raise OSError('no')\n        " + begins)
    assert broken != good
    with open(path, "w", encoding="utf-8") as file:
        file.write(broken)
    ann.say("before")
    reload = begin("reload", "webchat")
    for i in range(20):
        ann.say("d%d" % i)
    assert reload.wait(120) != 0
    ann.say("after")
    ann.until_text("after")
    assert ann.texts() == ["before"] + ["d%d" % i for i in range(20)] + [
        "after"], ann.texts()


def restart(where, folder):
    """The history is in a file."""
    ann = Page(where, "Ann")
    ann.say("kept")
    ann.until_text("kept")
    ctl("restart", "webchat")
    ann.until(lambda: ann.welcomes >= 2, "it is moved")
    ann.say("too")
    ann.until_text("too")
    bob = Page(where, "Bob").until_text("too")
    assert bob.texts() == ["kept", "too"], bob.texts()


def damaged(where, folder):
    ann = Page(where, "Ann")
    ann.say("lost")
    ann.until_text("lost")
    ctl("stop", "webchat")
    path = next(os.path.join(at, "rooms.db") for at, _, names
                in os.walk(folder) if "rooms.db" in names)
    with open(path, "r+b") as file:
        file.write(b"no database, but something else" * 1000)
    ctl("start", "webchat")
    until(is_up, "the channel is up")
    bob = Page(where, "Bob").until_welcome()
    ann.connect().until_welcome()
    assert ann.welcome["fresh"]
    ann.say("new")
    bob.until_text("new")
    ann.until_text("new")
    assert bob.texts() == ["new"] and ann.texts() == ["new"], ann.texts()
    assert os.path.exists(path + ".damaged")


def unknown_send(where, folder):
    """The worker dies with a message of supd: it is in the room once."""
    ann = Page(where, "Ann").until_welcome()
    pid = ctl_pid("webchat")
    os.kill(pid, signal.SIGSTOP)
    sending = begin("send", "webchat", "lobby", "only once")
    until(lambda: ctl("messages", "list")["messages"], "it is on its way")
    os.kill(pid, signal.SIGKILL)
    assert sending.wait(120) == 0
    ann.until_text("only once")
    ctl("send", "webchat", "lobby", "and then")
    ann.until_text("and then")
    assert ann.texts() == ["only once", "and then"], ann.texts()


def busy(where, folder):
    """Messages are in the room before supd has them; the page sees both."""
    ann = Page(where, "Ann").until_welcome()
    ann.say("first")
    ann.until_text("first")
    ann.until(lambda: ann.taken >= ann.messages[0]["seq"], "supd has it")
    with os.popen("pgrep -P %s supd-store" % os.environ["SUPD_PID"]) as found:
        store = int(found.read())
    os.kill(store, signal.SIGSTOP)
    try:
        ann.say("second")
        ann.until_text("second")
        seq = ann.messages[-1]["seq"]
        ctl("status")
        assert ann.taken < seq
    finally:
        os.kill(store, signal.SIGCONT)
    ann.until(lambda: ann.taken >= seq, "supd has it")


def full_disk(where, folder):
    """Pages keep what they have; a plugin's message waits in supd."""
    ann = Page(where, "Ann").until_welcome()
    ann.say("before")
    ann.until_text("before")
    pid = ctl_pid("webchat")
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, usual[1]))
    ann.say("one")
    ann.say("two")
    ann.until(lambda: ann.later, "it is to come again")
    sending = begin("send", "webchat", "lobby", "from outside")
    until(lambda: ctl("messages", "list")["messages"], "it waits")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    assert sending.wait(120) == 0
    ann.until_text("from outside").until_text("two")
    assert sorted(ann.texts()) == ["before", "from outside", "one", "two"]
    assert ann.texts().index("one") < ann.texts().index("two")


# ---- who one is ----

def refusal(where, **person):
    try:
        Page(where, **person).until_welcome()
    except Gone as gone:
        return gone.args[1]
    return ""


def names(where, folder):
    assert "token" in refusal(where, name="Ann"), refusal(where, name="Ann")
    for name in ("ann", "A n-n", "\u00c1nn", "\uff21nn", "A\u200bnn", "bot"):
        assert "needs its token" in refusal(where, name=name), name
    for name in ("", "  ", "\u202e", "\u0001"):
        assert "characters" in refusal(where, name=name), name
    assert "not known" in refusal(where, token="two")
    assert "no room" in refusal(where, name="x", room="cellar")
    ann = Page(where, "whoever", token="one").until_welcome()
    assert ann.welcome["kind"] == "user" and ann.welcome["name"] == "Ann"
    eve = Page(where, "\u202eE\u0301ve\n " + 100 * "x").until_welcome()
    assert eve.welcome["name"] == ("\u00c9ve " + 100 * "x")[:32]
    ann.say("/who")
    ann.say("a\u202eb\0c\nd")
    eve.until_text("a\ufffdb\ufffdc\nd")
    assert eve.messages[-1]["from"] == {"id": "Ann", "name": "Ann",
                                        "kind": "user"}
    # Over a reload she is still Ann; without the setting she is nobody.
    ctl("reload", "webchat")
    ann.until(lambda: ann.welcomes >= 2, "it is moved")
    assert ann.welcome["kind"] == "user"
    path = folder + "/supd.yaml"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("users: [{name: Ann", "users: [{name: Bea"))
    pid = ctl_pid("webchat")
    ctl("apply")
    assert ctl_pid("webchat") == pid  # by `configure`
    ann.until(lambda: ann.welcome and ann.welcome["name"] == "Bea",
              "she says hello again")


def admins(where, folder):
    """Ann may reload what she writes through; a guest may not."""
    ann = Page(where, "whoever", token="one").until_welcome()
    eve = Page(where, "A\u0430nn").until_welcome()  # one letter is Cyrillic
    eve.say("/reload talk")
    eve.until_text("permission denied")
    for generation in (2, 3):
        ann.say("/reload webchat")
        ann.until(lambda: len(ann.messages) == 2 * generation, "the answer")
        assert ann.messages[-1]["from"]["kind"] == "bot", ann.messages[-1]
        assert "-> %d," % generation in ann.texts()[-1], ann.texts()
    ann.say("/reload nothing")
    ann.until(lambda: len(ann.messages) == 8, "the answer")
    assert eve.until(lambda: len(eve.messages) == 8, "all").texts() == \
        ann.texts()
    generations = {row["id"]: row["generation"]
                   for row in ctl("status")["plugins"]}
    assert generations == {"webchat": 3, "talk": 1}, generations


# ---- bounds ----

def origins(where, folder):
    assert status_of(where) == 101
    assert status_of(where, origin="http://" + where) == 101
    assert status_of(where, origin="https://" + where) == 101
    assert status_of(where, origin="https://friend.example") == 101
    for origin in ("http://evil.example", "null", "http://evil." + where,
                   "http://" + where.split(":")[0], "https://friend.example.x"):
        assert status_of(where, origin=origin) == 403, origin


def wrong_frames(where, folder):
    hello = {"t": "hello", "key": 32 * "a", "tab": 16 * "b", "room": "",
             "name": "x"}
    for frame in ("no json", "[]", "{}", '{"t": "what"}', 60000 * "[",
                  {"t": "say", "n": -1, "text": "x"}, {"t": "say", "n": True},
                  {"t": "say", "n": 2 ** 60, "text": "x"},
                  {"t": "say", "n": 1, "text": 5},
                  {"t": "say", "n": 1, "text": "x", "reply_to": "\ud800"},
                  '{"t": "say", "n": %s, "text": ""}' % (5000 * "9"),
                  dict(hello, key="short"), dict(hello, tab=3),
                  dict(hello, after=-1), dict(hello, next="1"),
                  dict(hello, room=None), dict(hello, token=[])):
        expect_close(where, 1008, frame)
    expect_close(where, 1009, '"' + 70000 * "x" + '"')
    page = Page(where).until_welcome()
    page.socket.frame(2, b"bytes")
    assert page.end()[0] == 1003
    # What is only odd is no reason.
    page = Page(where)
    page.socket.say(dict(hello, name="\ud800y", next=5, after=10 ** 9,
                         log="other"))
    page.socket.say({"t": "say", "n": 5, "text": "\ud800 odd"})
    page.until_text("\ufffd odd")


def too_fast(where, folder):
    """With rate {burst: 3, per_second: 5}."""
    ann = Page(where, "Ann").until_welcome()
    laters = 0
    for i in range(12):
        ann.say("m%d" % i)
    while len(ann.messages) < 12:
        laters += "later" in ann.turn()
    assert laters > 0
    assert ann.texts() == ["m%d" % i for i in range(12)], ann.texts()
    seen = expect_close(where, 1008, *(
        2000 * [{"t": "say", "n": 9, "text": "x"}]))
    assert seen[1] == "too many frames", seen
    seen = expect_close(where, 1008, *(400 * [
        {"t": "hello", "key": 32 * "a", "tab": 16 * "b", "room": "",
         "name": "x"}]))
    assert seen[1] == "too many frames", seen


def too_long(where, folder):
    """With text_limit 10."""
    ann, bob = Page(where, "Ann").until_welcome(), Page(where, "Bob")
    ann.say(11 * "\u00e9")
    ann.say(" \u202a ".replace("\u202a", "\t"))
    ann.say(10 * "\u00e9")
    ann.until(lambda: ann.acknowledged == 3, "all are answered")
    assert ann.refused == [1, 2], ann.refused
    bob.until_text(10 * "\u00e9")
    assert bob.texts() == [10 * "\u00e9"], bob.texts()
    ctl("send", "webchat", "lobby", 16384 * "x")
    bob.until_text(16384 * "x")
    ctl("send", "webchat", "lobby", 16385 * "x", expect=2)


def no_hello(where, folder):
    page = Socket(where, "/chat/ws")
    try:
        page.hear()
        assert False, "it was not closed"
    except Gone as gone:
        assert gone.args == (1008, "it says no hello"), gone


def too_many(where, folder):
    """With connections 5, per_address 3: everybody is from one address."""
    pages = [Page(where).until_welcome() for _ in range(3)]
    assert status_of(where) == 503
    pages[0].socket.close()
    until(lambda: status_of(where) == 101, "there is a place again")


def trimmed(where, folder):
    """With history 5: a room has it, and as many more as are cut at a time."""
    ann = Page(where, "Ann").until_welcome()
    for i in range(COUNT):
        ann.say("m%d" % i)
    ann.until_text("m%d" % (COUNT - 1))
    ann.until(lambda: ann.taken >= ann.messages[-1]["seq"], "supd has them")
    ann.say("last")
    ann.until_text("last")
    bob = Page(where, "Bob").until_text("last")
    assert bob.welcome["missed"]
    assert 5 <= len(bob.messages) <= 5 + 33, len(bob.messages)
    assert bob.texts() == ann.texts()[-len(bob.messages):]


def slow_reader(where, folder):
    """With history 50 and much rate: who does not read falls behind what is
    kept, and is closed; nobody waits for it."""
    slow = Page(where, "Slow", receive_bytes=4096).until_welcome()
    ann = Page(where, "Ann").until_welcome()
    for i in range(1000):
        ann.say("%d %s" % (i, 3900 * "\u20ac"))
        if i % 8 == 7:
            ann.until(lambda: len(ann.messages) > i - 4, "it is in the room")
    ann.until(lambda: len(ann.messages) == 1000, "all are in the room")
    ann.until(lambda: ann.people == 1, "the slow one is out")
    code, _ = slow.end()
    assert code in (1013, 1006), code
    slow.connect().until_text("999 " + 3900 * "\u20ac")
    assert slow.welcome["missed"]


def many_escapes(where, folder):
    """What is longest as JSON: a page gets all of it, and is not closed."""
    ann = Page(where, "Ann").until_welcome()
    texts = [str(i) + 3990 * each for i in range(6)
             for each in ('"', "\\", "x\n", "\U0001f44b")]
    texts = [text[:4000].strip() for text in texts]
    for text in texts:
        ann.say(text)
    ann.until_text(texts[-1])
    for _ in range(3):
        ctl("send", "webchat", "lobby", 16384 * "\\")
    ann.say("end")
    bob = Page(where, "Bob").until_text("end")
    assert bob.texts() == texts + 3 * [16384 * "\\"] + ["end"]
    assert bob.welcomes == 1


def behind(where, folder):
    """A page that has not read for a while when it is moved misses nothing."""
    slow = Page(where, "Slow", receive_bytes=4096).until_welcome()
    ann = Page(where, "Ann").until_welcome()
    texts = ["%d %s" % (i, 3900 * "\u20ac") for i in range(700)]
    for i, text in enumerate(texts):
        ann.say(text)
        if i % 8 == 7:
            ann.until(lambda: len(ann.messages) > i - 8, "it is in the room")
    ann.until_text(texts[-1])
    ctl("reload", "webchat")
    ann.say("end")
    while "end" not in slow.texts():
        try:
            slow.until_text("end")
        except Gone:
            slow.connect()  # a frame was cut
    assert slow.texts() == texts + ["end"], len(slow.texts())


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

"""webchat: the page of the package webchat as people use it, before, during and
after reloads. Arguments: a free port, the URL of the page, the folder of the
run. $SUPCTL and $SUPCTL_SOCKET lead to the supd."""
import json
import os
import signal
import subprocess
import sys

from driver import Browser

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../webchat"))
from page import Page  # noqa: E402

port, url, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
supctl = os.environ["SUPCTL"]
COUNT = 100
EVIL = '<img id=evil src=x onerror="document.title=1">\u202ego'


def begin(*arguments):
    return subprocess.Popen([supctl, *arguments], stdout=subprocess.DEVNULL)


def say(text):
    page.run("const t = document.getElementById('text');"
             "t.value = arguments[0];"
             "document.getElementById('say').requestSubmit()", text)


def texts():
    """What the page shows, in order."""
    return page.run("return [...document.querySelectorAll('.message .text')]"
                    ".map((e) => e.textContent)")


def states():
    return page.run("return [...document.querySelectorAll('.message.mine')]"
                    ".map((e) => e.className.split(' ').pop())")


def until_shown(text):
    page.until(lambda: text in texts(), "%r on the page" % text)


def enter(name, token=""):
    page.write("#name", name)
    page.write("#token", token)
    page.click("#enter > button")


def connections():
    """How many times the page has connected."""
    return page.run("return performance.webchatConnections")


def count_connections():
    page.run("performance.webchatConnections = 0;"
             "const Real = WebSocket; window.WebSocket = class extends Real {"
             "constructor(...all) { super(...all);"
             "performance.webchatConnections++; } }")


def size(width, height, scheme):
    page.ask("POST", page.session + "/goog/cdp/execute", {
        "cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 2,
            "mobile": width < 600}})
    page.ask("POST", page.session + "/goog/cdp/execute", {
        "cmd": "Emulation.setEmulatedMedia", "params": {"features": [
            {"name": "prefers-color-scheme", "value": scheme}]}})


def expect_no_overflow():
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


page = Browser(port)
try:
    page.go(url)
    page.until(lambda: page.run("return !document.getElementById('enter')"
                                ".hidden"), "the page asks for a name")
    count_connections()
    page.picture(folder + "/enter.png")
    enter("ann")
    page.until_text("#why", "needs its token")
    enter("Eve")
    page.until_text("#link", "connected")
    page.until_text("#people", "1 person")

    # A message, a command, one from outside, and one that is no markup.
    say("hello all")
    page.until(lambda: states() == ["taken"], "it is delivered")
    say("/echo one two")
    until_shown("echo one two")
    assert page.text(".message.bot .quote") == "/echo one two"
    subprocess.run([supctl, "send", "webchat", "lobby", EVIL], check=True)
    page.until(lambda: "<img id=evil" in texts()[-1], "the text is shown")
    assert not page.run("return document.getElementById('evil')")
    assert "\u202e" not in texts()[-1]
    before = len(texts())

    # During reloads of the page's plugin and of the command's.
    running = []
    for i in range(COUNT):
        if i % 25 == 5:
            for process in running:
                assert process.wait(120) == 0
            running = [begin("reload", "webchat"), begin("reload", "talk")]
        say("m%d" % i)
    for process in running:
        assert process.wait(120) == 0
    until_shown("m%d" % (COUNT - 1))
    page.until(lambda: set(states()) == {"taken"}, "all are delivered")
    assert texts()[before:] == ["m%d" % i for i in range(COUNT)], texts()
    say("/echo after")
    until_shown("echo after")
    assert page.text("#link") == "connected"
    assert connections() == 2, connections()  # "ann" was refused; then this one

    # After a crash it says what was lost again, and nothing twice.
    status = subprocess.run([supctl, "--json", "show", "webchat"], check=True,
                            stdout=subprocess.PIPE, encoding="utf-8").stdout
    before = len(texts())
    say("c0")
    os.kill(json.loads(status)["pid"], signal.SIGKILL)
    for i in range(1, 20):
        say("c%d" % i)
    until_shown("c19")
    page.until(lambda: set(states()) == {"taken"}, "all are delivered")
    assert texts()[before:] == ["c%d" % i for i in range(20)], texts()
    assert page.complaints() == []

    # A connection that is lost: what is said meanwhile waits on the page.
    subprocess.run([supctl, "stop", "webchat"], check=True,
                   stdout=subprocess.DEVNULL)
    page.until_text("#link", "next try in")
    say("still here")
    assert states()[-1] == "waiting"
    subprocess.run([supctl, "start", "webchat"], check=True,
                   stdout=subprocess.DEVNULL)
    page.until(lambda: states()[-1] == "taken", "it is delivered")
    assert texts()[-1] == "still here" and texts().count("still here") == 1
    page.until_text("#link", "connected")

    # Others: Bob, and Ann, who has a token; on a phone, too, in the dark.
    where = url.split("/")[2]
    bob = Page(where, "Bob").until_text("still here")
    bob.say("I was here before.")
    bob.until_text("I was here before.")
    ann = Page(where, "whoever", token="one").until_text("I was here before.")
    ann.say("And I am who I say I am. \U0001f44b", bob.messages[-1]["id"])
    until_shown("And I am who I say I am. \U0001f44b")
    page.until_text("#people", "3 people")
    assert page.text(".message:last-child .quote") == "I was here before."
    assert "verified" in page.text(".message:last-child .head")
    say("/echo A longer answer, to see how lines are broken where the page is "
        "narrow.")
    page.until(lambda: len(texts()[-1]) < 80 and "echo A" in texts()[-1],
               "the answer")
    size(1100, 800, "light")
    page.picture(folder + "/light.png")
    for width, height, scheme in ((390, 780, "dark"), (320, 568, "light")):
        size(width, height, scheme)
        expect_no_overflow()
        page.picture("%s/%d.png" % (folder, width))

    # Another name, another room.
    page.click("#change")
    enter("whoever", "one")
    page.until_text("#link", "connected")
    page.until_text("#change", "Ann")
    page.run("location.hash = 'nowhere'")
    page.until_text("#why", "There is no room nowhere.")
    page.click("#enter > button")
    page.until_text("#link", "connected")
    page.run("location.hash = 'garden'")
    page.until_text("#people", "1 person")
    page.until(lambda: texts() == [], "the other room is empty")
    say("roses")
    page.until(lambda: states() == ["taken"], "it is delivered")
    # Another visit sees what was said.
    page.go("about:blank")
    page.go(url)
    until_shown("m%d" % (COUNT - 1))
    assert "roses" not in texts()
finally:
    page.close()

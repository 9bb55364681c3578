"""dashboard: walks the page as an operator would. Arguments: a free port, the
URL of the page, the token of an operator, the folder of the run. $SUPCTL and
$SUPCTL_SOCKET lead to the supd."""
import os
import subprocess
import sys

from driver import Browser

port, url, token, folder = int(sys.argv[1]), *sys.argv[2:5]
supctl = os.environ["SUPCTL"]


def emit(event, data):
    subprocess.run([supctl, "emit", event, data], check=True,
                   stdout=subprocess.DEVNULL)


def spoil_fault():
    """Its next generation exits at the start."""
    path = folder + "/packages/fault/plugin.yaml"
    with open(path, encoding="utf-8") as manifest:
        text = manifest.read()
    with open(path, "w", encoding="utf-8") as manifest:
        manifest.write(text.replace("mode: }", "mode: exit_at_start}"))


def row(plugin):
    return "tr[data-id='%s']" % plugin


page = Browser(port)
try:
    page.go(url)
    page.until_text("#link", "not connected")
    page.write("#token", "wrong")
    page.click("#enter button")
    page.until_text("#why", "does not accept this token")
    page.complaints()  # the refused handshake is in there

    page.write("#token", token)
    page.click("#enter button")
    page.until_text("#link", "connected")
    page.until_text(row("hello"), "serving")
    page.picture(folder + "/plugins.png")

    page.click(row("hello") + " button[aria-label='reload hello']")
    page.until_text("#phases", "done")
    for phase in ("staging", "spawning", "checking", "commit"):
        assert phase in page.text("#phases"), page.text("#phases")
    assert "1 to 2" in page.text("#receipt"), page.text("#receipt")
    page.until_text("#events", "reload.verdict")
    page.until_text(row("hello") + " td:nth-child(3)", "2")

    # The page's own plugin: neither page nor session notice.
    page.click(row("dashboard") + " button[aria-label='reload dashboard']")
    page.until(lambda: "reload dashboard" in page.text("#reload-title")
               and "done" in page.text("#phases"), "the dashboard reloads")
    assert page.text("#link") == "connected"

    emit("door.bell", '{"by": "<b id=evil>\u202etxt</b>"}')
    page.until_text("#events", "door.bell")
    assert "<b id=evil>?txt" in page.text("#events"), page.text("#events")
    assert not page.run("return document.getElementById('evil')")

    page.write("#pattern", "door.*")
    emit("other.thing", "1")
    emit("door.open", "1")
    page.until_text("#events", "door.open")
    assert "other.thing" not in page.text("#events")
    page.write("#pattern", "a b")
    page.until(lambda: page.text("#pattern-why"), "a bad pattern is refused")

    page.write("#log-of", "fault")
    page.until_text("#log", "fault: ")

    page.click(row("hello") + " button[aria-label='stop hello']")
    page.until_text(row("hello"), "stopped")
    page.click(row("hello") + " button[aria-label='start hello']")
    page.until_text(row("hello"), "serving")
    spoil_fault()
    page.click(row("fault") + " button[aria-label='reload fault']")
    page.until_text("#phases", "rolled_back")
    page.until_text("#receipt-log", "fault: exiting at start")
    assert "generation\n1\n" in page.text("#receipt"), page.text("#receipt")
    page.picture(folder + "/failure.png")
    assert page.complaints() == []

    page.click("#leave")
    page.until_text("#link", "not connected")
    assert not page.run("return sessionStorage.getItem('token')")
finally:
    page.close()

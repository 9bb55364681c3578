"""supd_run: the supd of the test, by supctl."""
import json
import os
import signal
import subprocess
import time

SUPCTL = os.environ["SUPCTL"]
DEADLINE_S = 60


def ctl(*arguments, expect=0):
    done = subprocess.run([SUPCTL, "--json", *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, encoding="utf-8")
    assert done.returncode == expect, "%s: exit %d: %s" % (
        arguments[:3], done.returncode, done.stdout[:400] + done.stderr[:400])
    return json.loads(done.stdout) if done.stdout.strip() else None


def begin(*arguments):
    return subprocess.Popen([SUPCTL, *arguments], stdout=subprocess.DEVNULL)


def plugin(name):
    return ctl("show", name)


def until(is_so, what):
    end = time.monotonic() + DEADLINE_S
    while True:
        value = is_so()
        if value:
            return value
        assert time.monotonic() < end, "never: " + what
        time.sleep(0.02)


def kill(name, signal_number=signal.SIGKILL):
    os.kill(ctl_pid(name), signal_number)


def ctl_pid(name):
    return next(row["pid"] for row in ctl("status")["plugins"]
                if row["id"] == name)


def is_up(name="webchat"):
    return plugin(name)["channels"][0]["state"] == "up"


def heard(folder, text="heard"):
    """What the plugin talk noted."""
    path = folder + "/webchat.d/heard"
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split(" ", 4)[-1] for line in file
                if line.split(" ")[1] == text]

"""scene: the example's world, on free ports of 127.0.0.1 and in a temporary
folder: a server of IRC (ngircd), a double of Telegram's, and supd with the bot.
It ends what it started, and removes the folder."""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
DOUBLE = ROOT + "/tests/system/botapi/botapi.py"
DEADLINE = 60  # seconds, for anything that should not take long
NOBODY = 65534
NGIRCD = shutil.which("ngircd", path=os.environ.get("PATH", "") + ":/usr/sbin")
TOKENS = ["1001:first", "1001:second"]
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Trouble(Exception):
    """What does not start, or not come."""


class Missing(Trouble):
    """What has to be installed or built."""


def await_true(what, is_true, pause=0.01, patience=DEADLINE):
    """Until is_true() is not false; what it returned."""
    until = time.monotonic() + patience
    while True:
        found = is_true()
        if found:
            return found
        if time.monotonic() > until:
            raise Trouble("waited for %d s: %s" % (patience, what))
        time.sleep(pause)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def end_at_term():
    """SIGTERM is an end like any other: what was started ends, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def fetch(url, value=None):
    """The JSON at a URL; with a value, that is posted."""
    data = None if value is None else json.dumps(value).encode()
    with urllib.request.urlopen(url, data, DEADLINE) as answer:
        return json.loads(answer.read() or b"null")


def end_with_parent():
    """In a child: it ends even if this program is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Scene:
    """`arguments` are more of supd's."""

    def __init__(self, build, arguments=()):
        self.build, self.arguments = os.path.abspath(build), list(arguments)
        self.started = []  # in the order of starting
        self.folder = tempfile.mkdtemp(prefix="supd-bot-")
        self.irc_port, self.http_port = free_ports(2)
        self.api = None    # of the double
        self.log_path = self.folder + "/supd.log"
        self.passwords = iter("password-%d" % n for n in range(1000))
        self.password = next(self.passwords)

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    # ---- its parts ----

    def _begin(self):
        if not NGIRCD:
            raise Missing("needs ngircd, a server of IRC: apt install ngircd")
        if not os.access(self.build + "/supervisor/supd", os.X_OK):
            raise Missing("%s has no supd: tools/setup build" % self.build)
        os.chmod(self.folder, 0o755)  # ngircd runs as nobody
        self._start_irc()
        self._start_double()
        self.write("telegram.token", TOKENS[0])
        self.write("irc.password", self.password)
        self.write("supd.yaml", self.config())
        self._start_supd()

    def _start(self, name, arguments, **more):
        with open("%s/%s.log" % (self.folder, name), "ab") as log:
            more.setdefault("stdout", log)
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent, **more)
        self.started.append((name, process))
        return process

    def write(self, name, text):
        path = self.folder + "/" + name
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(path + ".new", path)

    def _write_irc_config(self):
        self.write("ngircd.conf", """[Global]
Name = irc.bot.test
Info = supd's example
AdminEMail = root@bot.test
Listen = 127.0.0.1
Ports = %d
Password = %s
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
""" % (self.irc_port, self.password))

    def _start_irc(self):
        as_nobody = {} if os.geteuid() else {
            "user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._write_irc_config()
        process = self._start("ngircd", [NGIRCD, "-n", "-f", self.folder +
                                        "/ngircd.conf"], **as_nobody)
        self._await_port("ngircd", process, self.irc_port)

    def _start_double(self):
        process = self._start("botapi", [sys.executable, "-B", DOUBLE],
                             stdout=subprocess.PIPE)
        words = process.stdout.readline().split()
        process.stdout.close()
        if len(words) < 2:
            raise self._died("botapi")
        self.api = "http://127.0.0.1:%d" % int(words[1])
        fetch(self.api + "/control/set", {"tokens": TOKENS})

    def config(self):
        """supd.yaml, with the folders and ports of this scene."""
        with open(HERE + "/supd.yaml", encoding="utf-8") as source:
            text = source.read()
        for old, new in (("../../../build/plugins", self.build + "/plugins"),
                         ("  - .  ", "  - %s  " % HERE),
                         ("/etc/supd/bot/", self.folder + "/"),
                         ("127.0.0.1:6667", "127.0.0.1:%d" % self.irc_port),
                         ("http://127.0.0.1:8081", self.api),
                         ("127.0.0.1:8080", "127.0.0.1:%d" % self.http_port)):
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _start_supd(self):
        process = self._start("supd", [
            self.build + "/supervisor/supd", "-c", self.folder + "/supd.yaml",
            "--runtime-dir", self.folder + "/run",
            "--state-dir", self.folder + "/state"] + self.arguments)
        self._await_port("supd", process, self.http_port)
        for name in "irc", "telegram":
            await_true("channel %s is up" % name,
                       lambda name=name: self.is_up(name))
        await_true("all plugins serve", lambda: all(
            p["state"] == "serving" for p in self.ctl("status")["plugins"]))

    def _await_port(self, name, process, port):
        def is_there():
            if process.poll() is not None:
                raise self._died(name)
            return is_open(port)
        await_true("%s listens" % name, is_there)

    def _died(self, name):
        with open("%s/%s.log" % (self.folder, name), encoding="utf-8") as log:
            return Trouble("%s did not start:\n%s" % (name, log.read()))

    # ---- what is done with them ----

    def ctl(self, *arguments):
        """What supctl says, as JSON."""
        done = subprocess.run(
            [self.build + "/tools/supctl/supctl", "-s", self.folder +
             "/run/control.sock", "--json"] + list(arguments),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Trouble("supctl %s: %s" % (
                " ".join(arguments), done.stdout + done.stderr)) from None

    def plugin(self, name):
        return self.ctl("show", name)

    def is_up(self, name):
        channels = self.plugin(name).get("channels") or [{}]
        return channels[0].get("state") == "up"

    def change_irc_password(self):
        """At the server; and the bot's file."""
        self.password = next(self.passwords)
        self._write_irc_config()
        ngircd = dict(self.started)["ngircd"]
        before = self._count_rereads()
        ngircd.send_signal(signal.SIGHUP)
        await_true("ngircd has the new password",
                   lambda: self._count_rereads() > before)
        self.write("irc.password", self.password)

    def _count_rereads(self):
        with open(self.folder + "/ngircd.log", encoding="utf-8") as log:
            return log.read().count("Re-reading of configuration done")

    def last_log(self):
        """The last lines of supd's."""
        with open(self.log_path, encoding="utf-8") as log:
            return "".join(log.readlines()[-60:])

    # ---- the end ----

    def end(self):
        """Ends all, the last first."""
        for name, process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                print("%s does not end; killing it" % name, file=sys.stderr)
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

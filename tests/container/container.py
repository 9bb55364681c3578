"""container: one container in namespaces of its own, made from a tree and the
settings of the image (build-tree): start it, run commands in it, ask it over
HTTP, signal it, wait for its end. Every wait ends at an event or a deadline."""
import contextlib
import ctypes
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE_S = 60
PORT = 8080
CLONE_NEWNET = 0x40000000
# A server that listens on 127.0.0.1 only does not get what is sent there.
ADDRESS = "127.0.0.2"
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def until(what, ask, deadline_s=DEADLINE_S):
    """What `ask` returns as soon as it is true; `what` names it."""
    end = time.monotonic() + deadline_s
    while True:
        found = ask()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed("not within %d s: %s" % (deadline_s, what))
        select.select([], [], [], 0.02)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


class Container:
    """folder: where its files are, which may be those of an earlier one."""

    def __init__(self, image, folder, **options):
        self.image, self.folder, self.options = image, folder, options
        self.user = options.get("user") or \
            [int(n) for n in image["user"].split(":")]
        self.log, self.log_changed = [], threading.Condition()
        self.pid = self.outer = None
        self.state = options.get("state", folder + "/state")
        self.config = options.get("config_dir", folder + "/config")
        if not os.path.isdir(self.state):  # as a new volume of the image
            os.makedirs(self.state)
            os.chown(self.state, *self.user)
            os.chmod(self.state, 0o770)
        os.makedirs(folder + "/root", exist_ok=True)
        os.makedirs(self.config, exist_ok=True)

    def configure(self, text):
        write(self.config + "/supd.yaml", text)
        return self

    def order(self):
        binds = {"/var/lib/supd": [self.state,
                                   self.options.get("state_ro", False)],
                 "/etc/supd": [self.config, True]}
        binds.update(self.options.get("binds", {}))
        return {"tree": self.image["tree"], "root": self.folder + "/root",
                "tmpfs": {"/run/supd": "noexec,mode=1777"}, "binds": binds,
                "workdir": self.image["workdir"], "user": self.user,
                "env": dict(self.image["env"], PATH=PATH, HOSTNAME="c",
                            **self.options.get("env", {})),
                "command": self.options.get("command") or
                self.image["entrypoint"] + self.options.get(
                    "args", self.image["cmd"])}

    def start(self):
        kinds = ["--mount", "--pid", "--net", "--ipc", "--uts"]
        if self.options.get("rootless"):
            kinds += ["--user"]
        gate, opener = os.pipe()
        self.outer = subprocess.Popen(
            ["unshare", *kinds, "--fork", "--kill-child=KILL", "sh", "-c",
             'read go <&%d; exec %d<&-; exec "$@"' % (gate, gate), "sh",
             HERE + "/enter", json.dumps(self.order())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, pass_fds=[gate])
        os.close(gate)
        self.pid = until("the container's first process", self.first_child)
        if self.options.get("rootless"):
            for name in ("uid_map", "gid_map"):
                write("/proc/%d/%s" % (self.pid, name), "0 0 65536\n")
        os.write(opener, b"\n")
        os.close(opener)
        threading.Thread(target=self.read_log, daemon=True).start()
        return self

    def first_child(self):
        path = "/proc/%d/task/%d/children" % (self.outer.pid, self.outer.pid)
        with open(path) as file:
            words = file.read().split()
        return int(words[0]) if words else None

    def read_log(self):
        """To the end, which is when the last process has closed it."""
        for line in self.outer.stdout:
            with self.log_changed:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self.log_changed.notify_all()
        with self.log_changed:
            self.log.append(None)  # the end
            self.log_changed.notify_all()

    def logged(self, text, begin=0):
        """Waits for a line with that text; returns how many lines there were
        with it."""
        end = time.monotonic() + DEADLINE_S
        with self.log_changed:
            while not any(text in line for line in self.log[begin:] if line):
                left = end - time.monotonic()
                if left <= 0 or (self.log and self.log[-1] is None):
                    raise Failed("the log has no line with: %s" % text)
                self.log_changed.wait(left)
        return self.count(text)

    def count(self, text):
        return sum(text in line for line in self.log if line)

    def ready(self):
        self.logged(" ready in ")
        return self

    # ---- commands in it ----

    def execute(self, *command, user=None, env=None, status=None,
                deadline_s=DEADLINE_S):
        """As `docker exec`; returns (exit status, output)."""
        user = user or self.user
        into = ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-i", "-u"]
        if self.options.get("rootless"):
            into += ["-U", "--preserve-credentials"]
        done = subprocess.run(
            [*into, "/usr/bin/setpriv", "--reuid=%d" % user[0],
             "--regid=%d" % user[1], "--clear-groups", "--no-new-privs",
             "--inh-caps=-all", "--bounding-set=-all", *command],
            env=dict({"PATH": PATH}, **(env or {})), timeout=deadline_s,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        output = done.stdout.decode(errors="replace")
        if status is not None and done.returncode != status:
            raise Failed("%s: exit status %d: %s" % (
                " ".join(command), done.returncode, output))
        return done.returncode, output

    def ctl(self, *words, status=0):
        return self.execute("supctl", *words, status=status)[1]

    def plugin(self, name):
        document = json.loads(self.ctl("--json", "status", name))
        return document["plugins"][0]

    def health(self):
        return self.execute(*self.image["healthcheck"]["command"])[0]

    # ---- HTTP ----

    @contextlib.contextmanager
    def network(self):
        """This thread is in the container's network for a while."""
        with open("/proc/self/ns/net") as own, \
                open("/proc/%d/ns/net" % self.pid) as its:
            if libc.setns(its.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(own.fileno(), CLONE_NEWNET):
                    os.abort()

    def connect(self):
        connection = http.client.HTTPConnection(
            ADDRESS, PORT, timeout=DEADLINE_S)
        with self.network():
            connection.sock = socket.create_connection(
                (ADDRESS, PORT), DEADLINE_S)
        return connection

    def get(self, path):
        """(status, body); status 0: nobody listens."""
        try:
            connection = self.connect()
        except OSError:
            return 0, ""
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, body

    # ---- its end ----

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self):
        """The exit status of supd."""
        try:
            return self.outer.wait(DEADLINE_S)
        except subprocess.TimeoutExpired as e:
            raise Failed("supd does not exit") from e

    def stop(self):
        """As `docker stop`; returns its exit status and how long it took."""
        begun = time.monotonic()
        self.kill(getattr(signal, self.image["stopsignal"]))
        return self.wait(), time.monotonic() - begun

    def destroy(self):
        if not self.outer:
            return
        if self.outer.poll() is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # and all others with it
        self.outer.wait()
        with self.log_changed:
            self.log_changed.wait_for(lambda: None in self.log, DEADLINE_S)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.destroy()

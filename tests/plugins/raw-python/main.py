"""raw-python: a worker without any SDK: SP framing and MessagePack by hand
(wire.py), from the standard library alone. It proves the wire from outside.

It registers GET /raw and the tool raw; settings make it do more:
  routes: [GET /x, ...]  more rows, answered with generation, pid, the row's
                         name and the path's parameters; a third word is the
                         row's body limit
  only: true             those rows alone
  label: TEXT            in the answers of GET /raw
  ready_ms: N            so long until ready (a slow start)
  fail: before_ready | after_ready | health
  die_ms: N              dies so long after it was ready
  count: true            GET and POST /count (JSON; POST counts up and can be
                         told ?later=MS, or ?call=MS: then it calls this
                         plugin's own tool first), GET /stream (never ends by
                         itself), POST /self (reloads this plugin)
  leave: PATH            starts a process in a session of its own and writes its
                         pid there; with leave_clean: true nothing of its
                         environment goes along, with leave_as: UID it runs as
                         that user, leave_program: PATH runs that
  state: {...}           what export and import do, see class State
  configure: ok | refuse | hang | die"""
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import wire


# ---- state ----

INLINE = 64 * 1024  # the first piece of a blob
PIECE = 32 * 1024
CREDIT = 256 * 1024


class State:
    """The count, filled up to `size` bytes, goes from worker to worker.
    settings.state: size, version (exported), accepts (versions imported,
    default: its own), fault: export_hang | export_error | export_die |
    export_sum | export_short | import_error | import_hang | import_die |
    import_starve (gives no credit) | export_malformed |
    export_cut (has its successor cut its connection, then cannot export)"""

    def __init__(self, link, settings):
        self.link = link
        self.settings = settings
        self.version = settings.get("version", 1)
        self.fault = settings.get("fault", "")
        self.count = 0
        self.imports = 0  # bytes of the last one
        self.sending = None  # [id, bytes left, credit]
        self.taking = None  # [id, version, pieces, sum]
        self.next = os.environ.get("SUPD_DATA_DIR", ".") + "/next"
        if self.fault == "export_cut":
            signal.signal(signal.SIGUSR1, self.cut)
            with open(self.next, "w") as file:
                file.write(str(os.getpid()))

    def cut(self, *_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.link.socket.close()
        os.unlink(self.next)
        time.sleep(1)
        os._exit(0)

    def cut_next(self):
        """supd has seen the cut, and still awaits the exit."""
        with open(self.next) as file:
            os.kill(int(file.read()), signal.SIGUSR1)
        while os.path.exists(self.next):
            time.sleep(0.001)
        time.sleep(0.025)

    def pump(self):
        number, left, credit = self.sending
        while left and credit >= min(PIECE, len(left)):
            piece, left = left[:PIECE], left[PIECE:]
            credit -= len(piece)
            self.link.send([2, "chunk", [number, piece, bool(left)]])
        self.sending = [number, left, credit] if left else None

    def export(self, number):
        if self.fault == "export_die":
            os._exit(3)
        if self.fault == "export_hang":
            return
        if self.fault == "export_cut":
            self.cut_next()
        if self.fault in ("export_error", "export_cut"):
            self.link.send([1, number, ["failed", "cannot export"], None])
            return
        if self.fault == "export_malformed":
            self.link.send([1, number, None, "state"])
            return
        blob = json.dumps({"count": self.count}).encode()
        blob += b" " * (self.settings.get("size", 0) - len(blob))
        total = hashlib.sha256(blob).hexdigest()
        if self.fault == "export_sum":
            total = hashlib.sha256(b"other").hexdigest()
        more = len(blob) > INLINE
        self.link.send([1, number, None,
                        [self.version, blob[:INLINE], more, total]])
        if more:
            left = blob[INLINE:]
            if self.fault == "export_short":
                left = left[:PIECE]
            self.sending = [number, left, CREDIT]
            self.pump()

    def take(self, number, version, blob, more=False, total=""):
        self.taking = [number, version, [blob], total]
        if not more:
            self.taken()

    def on_chunk(self, number, piece, more):
        if not self.taking or self.taking[0] != number:
            return
        self.taking[2].append(piece)
        if self.fault != "import_starve":
            self.link.send([2, "credit", [number, len(piece)]])
        if not more:
            self.taken()

    def taken(self):
        number, version, pieces, total = self.taking
        blob = b"".join(pieces)
        self.taking = None
        if self.fault == "import_die":
            os._exit(4)
        if self.fault == "import_hang":
            return
        accepts = self.settings.get("accepts", [self.version])
        if self.fault == "import_error" or version not in accepts:
            self.link.send([1, number, ["failed", "cannot import version %d"
                                        % version], None])
            return
        if hashlib.sha256(blob).hexdigest() != total:
            sys.exit("supd gave a wrong sum")
        self.count = json.loads(blob)["count"]
        self.imports = len(blob)
        self.link.send([1, number, None, None])

    def on_credit(self, number, size):
        if self.sending and self.sending[0] == number:
            self.sending[2] += size
            self.pump()


# ---- the plugin ----

VERSION = "1.0.0"
REGISTRATIONS = [
    {"kind": "http", "name": "GET /raw", "method": "GET", "path": "/raw"},
    {"kind": "tool", "name": "raw", "description": "gives its arguments back"},
]


def route(text):
    method, path, *limit = text.split(" ")
    row = {"kind": "http", "name": method + " " + path, "method": method,
           "path": path}
    return dict(row, body_limit=int(limit[0])) if limit else row


class Worker:
    def __init__(self):
        self.settings = {}
        self.later = []  # (when, what to send)
        self.streams = []
        self.calls = {}  # of ours: the request that waits for it
        self.next_call = 3
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.link.send([0, 1, "hello", [int(os.environ["SUPD_PROTOCOL"]),
                                        os.environ["SUPD_NONCE"],
                                        "raw-python/" + VERSION]])

    # ---- requests ----

    def http(self, number, params):
        name = self.rows[params[0]]["name"]
        if name == "GET /stream":
            self.streams.append(number)
            self.link.send([1, number, None, [200, [], b"", True]],
                           [2, "chunk", [number, b"begun\n", True]])
            return
        if name == "POST /self":
            self.call(number, "method", "plugins.reload",
                      {"pluginId": self.plugin})
            return
        if name.endswith("/count"):
            self.state.count += name.startswith("POST")
            text = json.dumps({"count": self.state.count, "pid": os.getpid(),
                               "imported": self.state.imports})
        else:
            text = "raw %s generation %d pid %d %s %s %s\n" % (
                self.plugin, self.generation, os.getpid(),
                self.settings.get("label", ""), name, json.dumps(params[3]))
        answer = [1, number, None, [200, [["Content-Type", b"text/plain"]],
                                    text.encode(), False]]
        if params[4].startswith("call="):
            due = time.monotonic() + int(params[4][5:]) / 1000
            self.later.append((due, number))
        elif params[4].startswith("later="):
            due = time.monotonic() + int(params[4][6:]) / 1000
            self.later.append((due, answer))
        else:
            self.link.send(answer)

    def call(self, number, kind, name, args):
        self.calls[self.next_call] = number
        self.link.send([0, self.next_call, "call", [kind, name, args, 0]])
        self.next_call += 1

    def on_called(self, number, error, result):
        text = json.dumps({"error": error, "result": result,
                           "count": self.state.count})
        self.link.send([1, self.calls.pop(number), None,
                        [200, [], text.encode(), False]])

    def configure(self, number, settings):
        how = settings.get("configure", "ok")
        if how == "die":
            os._exit(5)
        if how == "refuse":
            self.link.send([1, number, ["failed", "not these"], None])
        elif how == "ok":
            self.settings = settings
            self.link.send([1, number, None, None])

    def on_request(self, number, method, params):
        if method == "http":
            self.http(number, params)
        elif method == "tool":
            self.link.send([1, number, None, {
                "name": params[0], "args": params[1], "pid": os.getpid()}])
        elif method == "health" and self.settings.get("fail") == "health":
            self.link.send([1, number, ["failed", "not well"], None])
        elif method in ("ping", "health", "probe"):
            self.link.send([1, number, None, None])
        elif method == "export":
            self.state.export(number)
        elif method == "import":
            self.state.take(number, *params)
        elif method == "configure":
            self.configure(number, params[0])
        else:
            self.link.send([1, number, ["not_found", "no %s here" % method],
                            None])

    # ---- the rest ----

    def on_hello(self, plugin, generation, settings, limits):
        self.plugin, self.generation = plugin, generation
        self.settings = settings
        self.state = State(self.link, settings.get("state", {}))
        self.rows = [] if settings.get("only") else list(REGISTRATIONS)
        self.rows += [route(text) for text in settings.get("routes", [])]
        if settings.get("count"):
            self.rows += [route("GET /count"), route("POST /count"),
                          route("GET /stream"), route("POST /self")]
        if "leave" in settings:
            left = subprocess.Popen(
                [settings.get("leave_program", "/bin/sleep"), "1000"],
                env={} if settings.get("leave_clean") else None,
                user=settings.get("leave_as"), start_new_session=True)
            with open(settings["leave"], "w") as file:
                file.write(str(left.pid))
        if settings.get("fail") == "before_ready":
            sys.exit("failing before ready")
        print("raw: starting", file=sys.stderr, flush=True)
        time.sleep(settings.get("ready_ms", 0) / 1000)
        print("raw: ready", file=sys.stderr, flush=True)
        self.link.send([0, 2, "ready", [VERSION, self.rows]])
        if "die_ms" in settings:
            self.later.append((time.monotonic() + settings["die_ms"] / 1000,
                               None))

    def on_response(self, number, error, result):
        if number in self.calls:
            self.on_called(number, error, result)
            return
        if error:
            sys.exit("supd refused: %s" % error)
        if number == 1:
            self.on_hello(*result)
        elif self.settings.get("fail") == "after_ready":
            sys.exit("failing after ready")

    def on_notification(self, method, params):
        if method == "drain":
            self.link.send([2, "drained", []])
        elif method == "chunk":
            self.state.on_chunk(*params)
        elif method == "credit":
            self.state.on_credit(*params)
        elif method == "cancel" and params[0] in self.streams:
            self.streams.remove(params[0])
            self.link.send([2, "chunk", [params[0], b"", False]])

    def send_due(self):
        now = time.monotonic()
        for due, answer in [x for x in self.later if x[0] <= now]:
            self.later.remove((due, answer))
            if answer is None:
                os._exit(6)
            if isinstance(answer, int):
                self.call(answer, "tool", self.plugin + ".raw", {})
                continue
            self.link.send(answer)
        if not self.later:
            return None
        return max(0, min(due for due, _ in self.later) - now)

    def run(self):
        while True:
            for message in self.link.receive(self.send_due()):
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 1:
                    self.on_response(*message[1:])
                else:
                    self.on_notification(*message[1:])


if __name__ == "__main__":
    Worker().run()

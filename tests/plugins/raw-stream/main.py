"""raw-stream: bodies in pieces, well and badly behaved, without any SDK.

  GET  /stream           JSON: streams open, cancelled so far, body bytes seen
  GET  /stream/head      JSON: method, path, query, peer, headers
  GET  /stream/fields    answers with odd and hop-by-hop headers
  GET  /stream/status?N  an empty answer with that status, and a body
  POST /stream/echo      the body back as it comes, under credit both ways
  POST /stream/early     answers at the first piece, takes no more
  POST /stream/stall     neither takes more nor answers
  POST /stream/greedy    grants 1 GiB of credit and then stops reading
  GET  /stream/events    an event stream, open until POST /stream/finish
  POST /stream/emit      the body as an event to each of them
  POST /stream/finish    ends them
  GET  /stream/endless   as much as there is credit for, without end
  GET  /stream/flood     more than there is credit for
  GET  /stream/shape?N   "hello" in two pieces, in odd ways: 0 the first one is
                         a str, 1 the head has a fifth element
The tool `shape` answers with an array that looks like the head of an answer.
"""
import json
import os
import time

import wire

CREDIT = 262144
PIECE = b"0123456789abcde\n" * 2048  # 32 KiB
PATHS = ["GET /stream", "GET /stream/head", "GET /stream/fields",
         "GET /stream/status", "POST /stream/echo", "POST /stream/early",
         "POST /stream/stall", "POST /stream/greedy", "GET /stream/events",
         "POST /stream/emit", "POST /stream/finish", "GET /stream/endless",
         "GET /stream/flood", "GET /stream/shape"]
TOOL = {"kind": "tool", "name": "shape", "description": "looks like a head"}


class Stream:
    """One answer that goes out in pieces."""

    def __init__(self, worker, number):
        self.worker, self.number = worker, number
        self.credit, self.waiting = CREDIT, []
        self.over = False

    def begin(self, content_type):
        self.worker.reply(self.number, 200, [["Content-Type", content_type]],
                          b"", True)

    def chunk(self, data, more=True):
        self.worker.link.send([2, "chunk", [self.number, data, more]])

    def push(self):
        """Sends what there is credit for, and as much credit in return."""
        while self.waiting and self.credit > 0:
            data = self.waiting.pop(0)
            if len(data) > self.credit:
                self.waiting.insert(0, data[self.credit:])
                data = data[:self.credit]
            self.credit -= len(data)
            self.worker.link.send(
                [2, "chunk", [self.number, data, True]],
                [2, "credit", [self.number, len(data)]])
        if self.over and not self.waiting:
            self.end()

    def end(self):
        self.chunk(b"", False)
        self.worker.streams.pop(self.number, None)

    # what each kind does with what comes
    def on_piece(self, data, more):
        pass

    def on_credit(self):
        pass


class Echo(Stream):
    def on_piece(self, data, more):
        if data:
            self.waiting.append(data)
        self.over = not more
        self.push()

    def on_credit(self):
        self.push()


class Stall(Stream):
    def end(self):
        self.worker.link.send([1, self.number, ["cancelled", "given up"],
                               None])
        self.worker.streams.pop(self.number, None)


class Endless(Stream):
    def on_credit(self):
        while self.credit > 0:
            data = PIECE[:self.credit]
            self.credit -= len(data)
            self.chunk(data)


class Worker:
    def __init__(self):
        self.streams, self.cancelled, self.seen = {}, 0, 0
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.link.send([0, 1, "hello", [int(os.environ["SUPD_PROTOCOL"]),
                                        os.environ["SUPD_NONCE"],
                                        "raw-stream/1"]])

    def reply(self, number, status, fields, body, more=False):
        fields = [[name, value.encode()] for name, value in fields]
        self.link.send([1, number, None, [status, fields, body, more]])

    def reply_json(self, number, value):
        self.reply(number, 200, [["Content-Type", "application/json"]],
                   json.dumps(value).encode())

    def open(self, kind, number, content_type="application/octet-stream"):
        stream = self.streams[number] = kind(self, number)
        stream.begin(content_type)
        return stream

    # ---- the paths ----

    def get_(self, number, params):
        self.reply_json(number, {"streams": len(self.streams), "pid":
                                 os.getpid(), "cancelled": self.cancelled,
                                 "seen": self.seen})

    def get_head(self, number, params):
        fields = {}
        for name, value in params[5]:
            fields.setdefault(name, []).append(value.decode("latin-1"))
        self.reply_json(number, {"method": params[1], "path": params[2],
                                 "query": params[4], "peer": params[8],
                                 "headers": fields})

    def get_fields(self, number, params):
        self.reply(number, 200, [
            ["Connection", "close, X-Private"], ["X-Private", "p"],
            ["Keep-Alive", "timeout=1"], ["Transfer-Encoding", "gzip"],
            ["Content-Length", "4711"], ["Upgrade", "h2c"], ["TE", "gzip"],
            ["Trailer", "X-T"], ["Proxy-Authenticate", "Basic"],
            ["X-Kept", "k"]], b"body")

    def get_status(self, number, params):
        self.reply(number, int(params[4]), [], b"body")

    def post_echo(self, number, params):
        stream = self.open(Echo, number)
        stream.on_piece(params[6], params[7])

    def post_early(self, number, params):
        self.reply(number, 200, [], b"early\n")

    def post_stall(self, number, params):
        self.streams[number] = Stall(self, number)

    def post_greedy(self, number, params):
        self.link.send([2, "credit", [number, 1 << 30]])
        time.sleep(3600)  # the fault: nothing is read any more

    def get_events(self, number, params):
        self.open(Stream, number, "text/event-stream").chunk(b": hello\n\n")

    def post_emit(self, number, params):
        event = b"data: " + params[6] + b"\n\n"
        events = [s for s in self.streams.values() if type(s) is Stream]
        self.link.send(*[[2, "chunk", [s.number, event, True]]
                         for s in events])
        self.reply_json(number, {"sent": len(events)})

    def post_finish(self, number, params):
        for stream in list(self.streams.values()):
            stream.end()
        self.reply_json(number, {})

    def get_endless(self, number, params):
        self.open(Endless, number).on_credit()

    def get_flood(self, number, params):
        stream = self.open(Stream, number)
        for _ in range(8 * CREDIT // len(PIECE)):
            stream.chunk(PIECE)

    def get_shape(self, number, params):
        head = [[200, [], "hel", True], [200, [], b"hel", True, None]]
        self.link.send([1, number, None, head[int(params[4])]],
                       [2, "chunk", [number, b"lo", False]])

    # ---- the wire ----

    def on_request(self, number, method, params):
        if method == "tool":
            self.link.send([1, number, None, [200, [], b"text", True]])
            return
        if method != "http":
            nothing = method in ("ping", "health", "probe")
            self.link.send([1, number, None if nothing else
                            ["not_found", "no %s here" % method], None])
            return
        kind, path = PATHS[params[0]].split(" ")
        name = path[len("/stream"):].strip("/")
        self.seen += len(params[6])
        getattr(self, kind.lower() + "_" + name)(number, params)

    def on_notification(self, name, params):
        stream = self.streams.get(params[0]) if params else None
        if name == "drain":
            self.link.send([2, "drained", []])
        elif name == "chunk":
            self.seen += len(params[1])
            if stream:
                stream.on_piece(params[1], params[2])
        elif name == "credit" and stream:
            stream.credit += params[1]
            stream.on_credit()
        elif name == "cancel" and stream:
            self.cancelled += 1
            stream.end()

    def on_response(self, number, error, result):
        if error:
            raise SystemExit("supd refused: %s" % error)
        if number == 1:
            self.link.send([0, 2, "ready", ["1.0.0", [
                {"kind": "http", "method": p.split(" ")[0],
                 "path": p.split(" ")[1], "body_limit": 1 << 40}
                for p in PATHS] + [TOOL]]])

    def run(self):
        while True:
            for message in self.link.receive():
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 1:
                    self.on_response(*message[1:])
                else:
                    self.on_notification(*message[1:])


Worker().run()

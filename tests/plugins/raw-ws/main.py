"""raw-ws: WebSocket connections by a worker without any SDK, well-behaved or
not. Paths:
  /echo    answers each message; "N" + a number sends as many bytes, under
           credit; "pid" and "gen" say so
  /sink    takes messages and gives no credit before GET /give
  /flood   each message is a number of bytes that are sent without regard to
           credit, at once
  /stray   sends messages about no connection and ill-formed ones, then "ok"
  /pinned  as /echo, pinned
GET /taken: bytes of messages so far. GET /closed: codes of closes, in order.
Settings:
  move: nil | hang | error | large | die | half (sends half a message first)
  open: refuse | hang | die       for a connection that is moved
  without: true                   /echo is not registered
  ready: never                    says hello only
  from: N                         the settings above hold from generation N on
  until: N                        and up to generation N"""
import os
import sys

import wire

CREDIT = 256 * 1024
PIECE = 64 * 1024
TEXT, BINARY = 1, 2
ROUTES = ["/echo", "/sink", "/flood", "/stray", "/pinned"]


class Conn:
    def __init__(self, number, path, count):
        self.number, self.path, self.count = number, path, count
        self.credit = CREDIT
        self.pieces, self.unsent = [], []
        self.held = 0


class Worker:
    def __init__(self):
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.generation = int(os.environ["SUPD_GENERATION"])
        self.conns, self.closed, self.taken = {}, [], 0
        self.settings = {}

    def setting(self, name):
        if not (self.settings.get("from", 0) <= self.generation
                <= self.settings.get("until", 1 << 30)):
            return ""
        return self.settings.get(name, "")

    def notify(self, name, *params):
        self.link.send([2, name, list(params)])

    def answer(self, number, result):
        self.link.send([1, number, None, result])

    # ---- sending ----

    def send(self, conn, opcode, data):
        conn.unsent.append([opcode, data, 0])
        self.pump(conn)

    def pump(self, conn):
        while conn.unsent and conn.credit > 0:
            opcode, data, at = conn.unsent[0]
            size = min(len(data) - at, PIECE, conn.credit)
            conn.credit -= size or 1
            conn.unsent[0][2] = at + size
            self.notify("ws.message", conn.number, opcode,
                        data[at:at + size], at + size < len(data))
            if at + size == len(data):
                conn.unsent.pop(0)

    # ---- messages ----

    def echo(self, conn, opcode, data):
        conn.count += 1
        if data == b"pid":
            data = b"%d" % os.getpid()
        elif data == b"gen":
            data = b"%d" % self.generation
        elif data == b"count":
            data = b"%d" % conn.count
        elif data[:1] == b"N" and data[1:].isdigit():
            opcode, data = BINARY, b"x" * int(data[1:])
        self.send(conn, opcode, data)

    def flood(self, conn, opcode, data):
        left = int(data)
        while left:
            size = min(left, PIECE)
            self.notify("ws.message", conn.number, BINARY, b"x" * size, False)
            left -= size

    def stray(self, conn, opcode, data):
        self.notify("ws.message", 4000000000, TEXT, b"x", False)
        self.notify("ws.message", conn.number, 9, b"x", False)
        self.notify("ws.message", conn.number, 0, b"x", False)
        self.notify("ws.close", 4000000000, 1000, "")
        self.notify("credit", 4000000000, 5)
        self.notify("ws.message", conn.number, TEXT, b"ok", False)

    def sink(self, conn, opcode, data):
        pass

    def message(self, number, opcode, piece, more):
        conn = self.conns.get(number)
        if not conn:
            return
        self.taken += len(piece)
        conn.pieces.append(piece)
        if conn.path == "/sink":
            conn.held += len(piece) or 1
        else:
            self.notify("credit", number, len(piece) or 1)
        if not more:
            data, conn.pieces = b"".join(conn.pieces), []
            take = getattr(self, conn.path[1:].replace("pinned", "echo"))
            take(conn, opcode, data)

    # ---- requests ----

    def open(self, number, conn, registration, path, params, query, headers,
             peer, moved, deadline):
        fault = self.setting("open") if moved else ""
        if fault == "die":
            os._exit(3)
        if fault == "hang":
            return
        if fault == "refuse":
            self.answer(number, [403, [], None])
            return
        blob = (moved or {}).get("blob")
        self.conns[conn] = Conn(conn, path, int(blob or 0))
        self.answer(number, [101, [], None])
        if moved:
            self.send(self.conns[conn], TEXT, b"moved %s %s" % (
                moved["how"].encode(), b"-" if blob is None else blob))

    def move(self, number, conn):
        fault = self.setting("move")
        if fault == "die":
            os._exit(3)
        if fault == "hang":
            return
        if fault == "error":
            self.link.send([1, number, ["failed", "as asked"], None])
            return
        gone = self.conns.pop(conn, None)
        if fault == "half":
            self.notify("ws.message", conn, TEXT, b"half", True)
        blob = b"x" * 65537 if fault == "large" else b"%d" % (
            gone.count if gone else 0)
        self.answer(number, None if fault == "nil" else [blob])

    def http(self, number, path):
        body = b""
        if path == "/taken":
            body = b"%d" % self.taken
        elif path == "/closed":
            body = " ".join(map(str, self.closed)).encode()
        elif path == "/give":
            for conn in self.conns.values():
                self.notify("credit", conn.number, conn.held)
                conn.held = 0
        self.answer(number, [200, [], body, False])

    def on_request(self, number, name, params):
        if name == "ws.open":
            self.open(number, *params)
        elif name == "ws.move":
            self.move(number, *params)
        elif name == "http":
            self.http(number, params[2])
        elif name in ("ping", "health", "probe"):
            self.answer(number, None)
        else:
            self.link.send([1, number, ["not_found", name], None])

    def on_notification(self, name, params):
        if name == "ws.message":
            self.message(*params)
        elif name == "ws.close":
            self.closed.append(params[1])
            self.conns.pop(params[0], None)
        elif name == "credit" and params[0] in self.conns:
            conn = self.conns[params[0]]
            conn.credit += params[1]
            self.pump(conn)
        elif name == "drain":
            self.notify("drained")

    # ---- its life ----

    def register(self):
        if self.setting("ready") == "never":
            return
        rows = [{"kind": "http", "method": "GET", "path": path}
                for path in ("/taken", "/closed", "/give")]
        for path in ROUTES:
            if path == "/echo" and self.setting("without"):
                continue
            rows.append({"kind": "http", "method": "GET", "path": path,
                         "websocket": True, "message_limit": 1 << 23,
                         "pinned": path == "/pinned"})
        self.link.send([0, 2, "ready", ["1.0.0", rows]])

    def run(self):
        self.link.send([0, 1, "hello", [1, os.environ["SUPD_NONCE"], "raw"]])
        while True:
            for message in self.link.receive():
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 2:
                    self.on_notification(*message[1:])
                elif message[2]:
                    sys.exit("supd refused: %s" % message[2])
                elif message[1] == 1:
                    self.settings = message[3][2]
                    self.register()


Worker().run()

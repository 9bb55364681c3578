"""raw-hostile: a worker that does its best to harm supd and everybody else.

GET /hostile answers "hostile". GET /hostile?NAME answers, too, and then the
attack of that name begins. It never ends by itself:

  unknown   requests that supd does not know
  list      calls of plugins.list
  calls     calls of its own tool `mute`, which never answers, 16 KiB each
  args      calls of a tool that is not there, with 1 MB of text each
  logs      log messages of a million empty lines
  emits     events of 1 MiB
  cancels   cancels, credits and chunks of requests that it does not have
  tiny      notifications of a million values each
  objects   notifications without params, as many as fit into a message
  status    states of its service `s`, with 1 KiB of text, all different
  chunks    empty chunks of an answer that it has begun, beside it

GET /hostile?deadline=N calls its own tool `deadline` with that deadline and
answers with what the tool saw of it.

With `reads: true` in the settings it reads during the attack what supd sends,
and answers pings. Settings can also spoil what it says of itself:

  version, sdk   these instead of its own; {hex: "ff"} gives bytes
  rows: N        N tools in `ready`
  row: {...}     one more registration
  methods: N     N methods on one path
"""
import os
import select
import struct

import wire

FULL = 1000 * 1000  # bytes of a large message, below the 1 MiB of the wire


def frame(data):
    return b"\1" + struct.pack(">Q", len(data)) + data


def many(one):
    """A message with as many of one object as fit, each with its own id."""
    parts, size, number = [], 0, 0
    while size < FULL:
        number += 1
        part = wire.pack(one(number))
        parts.append(part)
        size += len(part)
    return frame(b"".join(parts))


def call(number, kind, name, args):
    return [0, 1000 + number, "call", [kind, name, args, 0]]


def chunks(number):
    head = frame(wire.pack([1, number, None, [200, [], b"", True]]))
    return head, many(lambda _: [2, "chunk", [number, b"", True]])


ATTACKS = {
    "unknown": lambda: many(lambda n: [0, 1000 + n, "no.such", []]),
    "list": lambda: many(
        lambda n: call(n, "method", "plugins.list", None)),
    "calls": lambda: many(
        lambda n: call(n, "tool", "mute", "x" * 16384)),
    "args": lambda: frame(wire.pack(call(1, "tool", "none", "x" * FULL))),
    "logs": lambda: frame(wire.pack([2, "log", ["info", "\n" * FULL]])),
    "emits": lambda: frame(wire.pack([2, "emit", ["big", "x" * FULL]])),
    "cancels": lambda: many(
        lambda n: [[2, "cancel", [n]], [2, "credit", [n, 2 ** 64 - 1]],
                   [2, "chunk", [n, b"", True]]][n % 3]),
    # An array of `FULL` times nil.
    "tiny": lambda: frame(b"\x93\x02\xa4tiny\x91\xdd"
                          + struct.pack(">I", FULL) + b"\xc0" * FULL),
    "status": lambda: many(lambda n: [2, "service.status", [
        "s", ("running", "waiting")[n % 2], ("%d " % n) + "\x1bx" * 512]]),
    "objects": lambda: frame(b"\x93\x02\xa1x\x90" * (FULL // 5)),
}


def odd(value):
    """A value of the settings as MessagePack, which may be no UTF-8."""
    if isinstance(value, dict) and list(value) == ["hex"]:
        data = bytes.fromhex(value["hex"])
        return b"\xdb" + struct.pack(">I", len(data)) + data
    if isinstance(value, dict):
        return (b"\xdf" + struct.pack(">I", len(value))
                + b"".join(wire.pack(k) + odd(v) for k, v in value.items()))
    return wire.pack(value)


class Worker:
    def __init__(self):
        self.settings, self.attack, self.pongs = {}, None, bytearray()
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.link.send([0, 1, "hello", [1, os.environ["SUPD_NONCE"],
                                        os.environ.get("SDK", "raw")]])

    def ready(self):
        s = self.settings
        rows = [{"kind": "http", "method": "GET", "path": "/hostile"},
                {"kind": "tool", "name": "mute"},
                {"kind": "tool", "name": "deadline"}]
        rows += [{"kind": "tool", "name": "tool%d" % n}
                 for n in range(s.get("rows", 0))]
        rows += [{"kind": "http", "path": "/many", "method": "M" + "".join(
                     chr(65 + int(c)) for c in str(n))}
                 for n in range(s.get("methods", 0))]
        rows = [wire.pack(row) for row in rows]
        if "row" in s:
            rows.append(odd(s["row"]))
        data = (b"\x94\x00\x02" + wire.pack("ready") + b"\x92"
                + odd(s.get("version", "1.0.0"))
                + b"\xdd" + struct.pack(">I", len(rows)) + b"".join(rows))
        self.link.socket.sendall(frame(data))

    def on_request(self, number, method, params):
        if method == "http":
            name = params[4]
            if name == "chunks":
                head, self.attack = chunks(number)
                self.link.socket.sendall(head)
                return
            if name.startswith("deadline="):
                self.waiting = number
                self.link.send([0, 9, "call", ["tool", "deadline", None,
                                               int(name[9:])]])
                return
            self.link.send([1, number, None, [200, [], b"hostile\n", False]])
            if name:
                self.attack = ATTACKS[name]()
        elif method == "ping" or method.startswith("service."):
            self.link.send([1, number, None, None])
        elif method == "tool" and params[0] == "deadline":
            self.link.send([1, number, None, params[2]])
        elif method != "tool":
            self.link.send([1, number, ["not_found", "no"], None])

    def serve(self, timeout):
        for message in self.link.receive(timeout):
            if message[0] == 0:
                self.on_request(*message[1:])
            elif message[0] == 1 and message[1] == 1:
                self.settings = message[3][2]
                self.ready()
            elif message[0] == 1 and message[1] == 9:
                text = str(message[3] if message[2] is None else message[2])
                self.link.send([1, self.waiting, None,
                                [200, [], text.encode(), False]])

    def fight(self):
        """Sends the attack again and again, and reads only if the settings
        say so; it never waits for supd to take something."""
        link, rest = self.link.socket, memoryview(b"")
        link.setblocking(False)
        while True:
            if not rest:
                rest = memoryview(bytes(self.pongs) + self.attack)
                self.pongs.clear()
            ready, room, _ = select.select(
                [link] if self.settings.get("reads") else [], [link], [])
            try:
                if ready:
                    self.input()
                if room:
                    rest = rest[link.send(rest):]
            except BlockingIOError:
                pass

    def input(self):
        """Answers pings; everything else is thrown away."""
        self.link.read()
        data, at = self.link.input, 0
        while len(data) - at >= 9:
            size, = struct.unpack_from(">Q", data, at + 1)
            if len(data) - at < 9 + size:
                break
            message = bytes(data[at + 9:at + 9 + size])
            at += 9 + size
            if b"\xa4ping" in message:
                self.pong(message)
        del data[:at]

    def pong(self, data):
        """The answer goes out ahead of the next message of the attack."""
        at = 0
        while at < len(data):
            value, at = wire.unpack(data, at)
            if value[0] == 0 and value[2] == "ping":
                self.pongs += frame(wire.pack([1, value[1], None, None]))

    def run(self):
        while not self.attack:
            self.serve(None)
        print("hostile: attacking", flush=True)
        self.fight()


if __name__ == "__main__":
    Worker().run()

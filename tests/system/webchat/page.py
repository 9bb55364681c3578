"""page: what the page of the package webchat does, without a browser: a
WebSocket by hand, and what waits to be sent. Every wait has a deadline."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

DEADLINE_S = 60
WINDOW = 16


class Gone(Exception):
    """The connection has ended: code, reason."""


class Refused(Exception):
    """The handshake was answered with another status."""


class Socket:
    """One connection."""

    def __init__(self, where, path, origin=None, receive_bytes=None):
        host, port = where.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_bytes)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect((host, int(port)))
        self.bytes = b""
        lines = ["GET %s HTTP/1.1" % path, "Host: " + where,
                 "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " +
                 base64.b64encode(os.urandom(16)).decode()]
        if origin:
            lines.append("Origin: " + origin)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.bytes:
            self._more()
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        if int(head.split()[1]) != 101:
            raise Refused(int(head.split()[1]))

    def _more(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            piece = b""
        if not piece:
            raise Gone(1006, "")
        self.bytes += piece

    def _take(self, count):
        while len(self.bytes) < count:
            self._more()
        piece, self.bytes = self.bytes[:count], self.bytes[count:]
        return piece

    def frame(self, opcode, data):
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | len(data))
        elif len(data) < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0xfe, len(data))
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0xff, len(data))
        try:
            self.socket.sendall(head + bytes(4) + data)  # a mask of zeros
        except ConnectionError:
            pass  # hear() says why

    def say(self, value):
        text = value if isinstance(value, str) else json.dumps(value)
        self.frame(1, text.encode())

    def hear(self):
        """The next message, as JSON; answers pings. Gone at the end."""
        text = b""
        while True:
            first, second = self._take(2)
            size = second & 127
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8))
            data = self._take(size)
            if first & 15 == 8:
                raise Gone(int.from_bytes(data[:2]), data[2:].decode())
            if first & 15 == 9:
                self.frame(10, data)
            elif first & 15 < 3:
                text += data
                if first & 128:
                    return json.loads(text)

    def close(self):
        self.socket.close()


class Page:
    """A page in a room: `messages` as they came, `taken`, `people`."""

    def __init__(self, where, name="Ann", token="", room="", key=None,
                 receive_bytes=None):
        self.where = where
        self.person = {"name": name, "token": token, "room": room}
        self.key, self.tab = key or os.urandom(16).hex(), os.urandom(8).hex()
        self.log, self.after, self.number = "", 0, 0
        self.acknowledged = self.sent = self.taken = self.people = 0
        self.waiting, self.messages, self.refused = [], [], []
        self.welcome = self.later = None
        self.welcomes = 0
        self.receive_bytes = receive_bytes
        self.connect()

    def connect(self):
        self.socket = Socket(self.where, "/chat/ws",
                             receive_bytes=self.receive_bytes)
        self.hello()
        return self

    def hello(self):
        self.welcome = None
        self.socket.say(dict(
            self.person, t="hello", key=self.key, tab=self.tab, log=self.log,
            after=self.after, next=self.acknowledged + 1))

    def say(self, text, reply_to=""):
        self.number += 1
        self.waiting.append({"t": "say", "n": self.number, "text": text,
                             "reply_to": reply_to})
        self.flush()

    def flush(self):
        if not self.welcome or self.later:
            return
        for message in self.waiting:
            if message["n"] > self.acknowledged + WINDOW:
                break
            if message["n"] > self.sent:
                self.socket.say(message)
                self.sent = message["n"]

    def turn(self):
        """Takes one frame, or waits as long as it was asked to."""
        if self.later:
            time.sleep(self.later / 1000)  # the server says how long
            self.later, self.sent = None, self.acknowledged
            self.flush()
        frame = self.socket.hear()
        if frame["t"] == "again":
            self.hello()
        elif frame["t"] == "no":
            raise Gone(0, frame["why"])
        elif frame["t"] == "welcome":
            self._welcome(frame)
        else:
            self._news(frame)
        return frame

    def _welcome(self, frame):
        self.welcome, self.log = frame, frame["log"]
        self.welcomes += 1
        if frame["fresh"]:
            self.after, self.messages = 0, []
        self._acknowledge(frame["last"])
        self.sent = self.acknowledged
        self.flush()

    def _news(self, frame):
        for message in frame["messages"]:
            assert message["seq"] > self.after, (message, self.after)
            self.after = message["seq"]
            self.messages.append(message)
        self.refused += frame.get("refused", [])
        self.taken, self.people = frame["taken"], frame["people"]
        self.later = frame.get("later")
        self._acknowledge(frame["ack"])
        self.flush()

    def _acknowledge(self, number):
        self.acknowledged = max(self.acknowledged, number)
        self.sent = max(self.sent, number)
        self.waiting = [each for each in self.waiting
                        if each["n"] > self.acknowledged]

    def until(self, is_so, what):
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < end, "never: " + what
            self.turn()
        return self

    def texts(self):
        return [each["text"] for each in self.messages]

    def until_text(self, text):
        return self.until(lambda: text in self.texts(), text)

    def until_welcome(self):
        return self.until(lambda: self.welcome, "a welcome")

    def own_id(self):
        return "guest-" + hashlib.sha256(self.key.encode()).hexdigest()[:12]

    def end(self):
        """The code and reason that the server closes with."""
        try:
            while True:
                self.turn()
        except Gone as gone:
            return gone.args

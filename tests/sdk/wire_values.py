"""No SDK dies of a value that the wire can carry. The scenario plugin in C (on
both links), Python and Node against a supd of this file's own: each field of
each message with each type of MessagePack and with extreme numbers. After each
the worker answers a ping, and an ordinary call at the end."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["BUILD"]
sys.path.insert(0, os.path.join(BUILD, "worker", "python"))
import supd  # noqa: E402

DEADLINE_S = 60


class Raw:
    """MessagePack as it is."""

    def __init__(self, data):
        self.data = data


def pack(value):
    """supd.pack() with Raw, NaN and what else it would not send."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(
            map(pack, value))
    if isinstance(value, dict):
        return b"\xde" + struct.pack(">H", len(value)) + b"".join(
            pack(key) + pack(item) for key, item in value.items())
    return supd.pack(value)


# What stands in the place of a field: each type, and each end of its range.
VALUES = [
    None, True, False, 0, 1, 127, -1, -32, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    2**53, 2**53 + 1, 999999999999999999, 2**63 - 1, 2**63, 2**64 - 1,
    -2**31 - 1, -2**53 - 1, -2**63, 0.0, -0.0, 0.5, -1.5, 1e308, 5e-324,
    float("nan"), float("inf"), float("-inf"), Raw(b"\xca\x7f\xc0\0\0"), "",
    "a", "a\0b", "x" * 70000, b"", b"\xff\0", b"x" * 70000, [], [[]], [None],
    [1, "a", b"b"], {}, {"": {}}, {"a": [1]}, {"__proto__": 1},
    {"toString": 1, "valueOf": 1, "constructor": 1},
    Raw(b"\x82\xa1a\x01\xa1a\x02"),     # a key twice
    Raw(b"\x91" * 20 + b"\xc0"),
]

HTTP = [0, "GET", "/text", {}, "", [["host", b"x"]], b"", False, "peer:1",
        5000]
# name, its params, whether it is a request
MESSAGES = [
    ("http", HTTP, True),
    ("http", [999999] + HTTP[1:], True),
    ("tool", ["mirror", {"a": 1}, 5000, {"door": "test"}], True),
    ("tool", ["add", {"a": 1, "b": 2}, 5000, {"door": "test"}], True),
    ("method", ["double", {"n": 1}, 5000, None], True),
    ("command", ["shout", "text", {"door": "test"}, 5000], True),
    ("configure", [{"greeting": "Hello"}], True),
    ("import", [2, b"7", False, ""], True),
    ("export", [], True),
    ("health", [], True),
    ("probe", [0, "http", "GET /text"], True),
    ("ping", [], True),
    ("chunk", [7, b"x", False], False),
    ("credit", [7, 100], False),
    ("cancel", [7], False),
    ("drain", [], False),
    ("resume", [], False),
]


class Worker:
    """One worker and its supd. package: of tests/plugins, or a whole path."""

    def __init__(self, language, link, package="scenario"):
        self.folder = tempfile.mkdtemp(prefix="supd-sdk-")
        path = os.path.join(self.folder, "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(DEADLINE_S)
        folder = os.path.join(BUILD, "tests", "plugins", package)
        if package == "scenario":
            folder += "-" + language
        command = {
            "c": [os.path.join(BUILD, "worker", "sup-worker"), "host",
                  os.path.basename(package) + ".so"],
            "python": [sys.executable, "main.py"],
            "node": ["node", "main.js"]}[language]
        self.process = subprocess.Popen(command, cwd=folder, env={
            **os.environ, "SUPD_SOCKET": path, "SUPD_PLUGIN": "it",
            "SUPD_NONCE": "n0", "SUPD_GENERATION": "4", "SUPD_LINK": link,
            "SUPD_DATA_DIR": self.folder, "SUPD_PROTOCOL": "1",
            "SUPD_PARENT": str(os.getpid()),
            "PYTHONPATH": os.path.join(BUILD, "worker", "python"),
            "NODE_PATH": os.path.join(BUILD, "worker", "node")},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.socket, _ = listener.accept()
        listener.close()
        self.socket.settimeout(DEADLINE_S)
        self.socket.sendall(b"\0SP\0\0\x10\0\0")
        self.input, self.objects, self.next_id = b"", [], 1000
        self.exactly(8)

    def exactly(self, size):
        while len(self.input) < size:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise AssertionError("the worker ended: %s" % (
                    self.process.communicate()[1].decode()[-2000:]))
            self.input += piece
        data, self.input = self.input[:size], self.input[size:]
        return data

    def send(self, *objects):
        data = b"".join(map(pack, objects))
        self.socket.sendall(b"\1" + struct.pack(">Q", len(data)) + data)

    def receive(self):
        while not self.objects:
            _, size = struct.unpack(">BQ", self.exactly(9))
            self.objects = supd.unpack_all(self.exactly(size))
        return self.objects.pop(0)

    def answer(self, number):
        """Of the request; others are passed over, and calls answered."""
        while True:
            message = self.receive()
            if message[0] == 0 and message[2] == "call":
                self.send([1, message[1], None, None])
            if message[0] == 1 and message[1] == number:
                return message[2], message[3]

    def begin(self, name, params):
        self.next_id += 1
        self.send([0, self.next_id, name, params])
        return self.next_id

    def start(self, hello=None):
        message = self.receive()
        self.send([1, message[1], None, hello or ["it", 4, {}, {
            "credit": 262144, "inline_body": 65536, "body": 10 << 20,
            "message": 1 << 20}]])
        message = self.receive()
        self.offers = message[3][1]
        self.send([1, message[1], None, None])
        return self

    def pong(self):
        assert self.answer(self.begin("ping", [])) == (None, None)

    def works(self):
        assert self.answer(self.begin("tool", [
            "add", {"a": 1, "b": 2}, 0, None])) == (None, 3)

    def end(self):
        self.socket.close()
        _, self.said = self.process.communicate(timeout=DEADLINE_S)
        shutil.rmtree(self.folder)
        return self.process.returncode


class Values:
    language, link = "", ""

    def setUp(self):
        self.worker = Worker(self.language, self.link)

    def tearDown(self):
        self.assertEqual(self.worker.end(), 0)

    def tried(self, name, params, is_request):
        """Sent, and the worker lives. A request is answered."""
        worker = self.worker
        try:
            if is_request:
                number = worker.begin(name, params)
                worker.send([2, "cancel", [number]])
                worker.answer(number)
            else:
                worker.send([2, name, params])
            worker.pong()
        except (AssertionError, OSError) as problem:
            raise AssertionError("%s %.200r: %s" % (
                name, params, problem)) from None

    def test_each_field_takes_each_value(self):
        self.worker.start()
        text = [o.get("path") for o in self.worker.offers].index("/text")
        for name, params, is_request in MESSAGES:
            if name == "http":
                params = [text if params[0] == 0 else params[0], *params[1:]]
            for place in range(len(params)):
                for value in VALUES:
                    self.tried(name, [*params[:place], value,
                                      *params[place + 1:]], is_request)
            for count in range(len(params)):
                self.tried(name, params[:count], is_request)
            self.tried(name, params + VALUES[:5], is_request)
        self.worker.send([2, "resume", []])
        self.worker.works()

    def test_answers_to_a_call_are_anything(self):
        worker = self.worker.start()
        for value in VALUES:
            for answer in ([value, None], [None, value], [["busy", value], 1],
                           [[value, "text"], 1]):
                number = worker.begin("tool", ["relay", None, 0, None])
                message = worker.receive()
                while message[0] != 0:
                    message = worker.receive()
                worker.send([1, message[1], *answer])
                worker.answer(number)
                worker.send([1, value if isinstance(value, int) and
                             not isinstance(value, bool) and
                             0 <= value < 2**32 else 5, None, value])
        worker.works()

    def test_a_stream_takes_any_credit(self):
        worker = self.worker.start()
        pieces = [offer.get("path") for offer in worker.offers].index("/big")
        for credit in (2**31, 2**32, 2**53 + 1, 2**63, 2**64 - 1):
            number = worker.begin("http", [pieces, "GET", "/big", {}, "", [],
                                           b"", False, "p", 2**64 - 1])
            worker.answer(number)
            for _ in range(3):
                worker.send([2, "credit", [number, credit]])
            got, more = 0, True
            while more:
                message = worker.receive()
                if message[0] == 2 and message[1] == "chunk":
                    got, more = got + len(message[2][1]), message[2][2]
            self.assertEqual(got, 1000000)
        worker.works()

    def test_settings_and_limits_are_anything(self):
        self.worker.start(["it", 4, {
            str(i): value for i, value in enumerate(VALUES[:23])
            if not isinstance(value, int) or value < 2**63}, {
                "credit": 2**64 - 1, "inline_body": 0, "body": -5,
                "message": 1 << 20, "more": [None]}])
        self.worker.works()


class C(Values, unittest.TestCase):
    language, link = "c", "nng"


class CNative(Values, unittest.TestCase):
    language, link = "c", "native"


class Python(Values, unittest.TestCase):
    language, link = "python", "nng"


@unittest.skipUnless(shutil.which("node"), "needs Node")
class Node(Values, unittest.TestCase):
    language, link = "node", "nng"


if __name__ == "__main__":
    unittest.main()

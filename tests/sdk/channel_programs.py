"""The three channels of worker/README.md against a server that speaks lines, with
a supd of this file's own."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from channels import Channels  # noqa: E402
from wire_values import DEADLINE_S, Worker  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# Lines that are neither empty nor a brace.
CODE = re.compile(r"^(?![ \t{}]*$)", re.M)


def program(first):
    """The block of the book that begins with that line."""
    path = os.path.join(SOURCE, "worker", "README.md")
    with open(path, encoding="utf-8") as book:
        return re.search(r"^```\w+\n(%s\n.*?)^```$" % re.escape(first),
                         book.read(), re.M | re.S)[1]


class Lines:
    """The server."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE_S)
        self.port = self.listener.getsockname()[1]
        self.client = self.file = None

    def accept(self):
        self.client, _ = self.listener.accept()
        self.client.settimeout(DEADLINE_S)
        self.file = self.client.makefile("rw", encoding="utf-8", newline="\n")

    def say(self, *lines):
        for line in lines:
            self.file.write(line + "\n")
        self.file.flush()

    def close(self):
        if self.client:
            self.file.close()
            self.client.close()
        self.listener.close()


class Programs:
    language = name = first = ""
    most = 30

    begin_start, begin_stop = Channels.begin_start, Channels.begin_stop
    until, answer, ask = Channels.until, Channels.answer, Channels.ask
    notification = Channels.notification
    channel = "lines"

    def setUp(self):
        self.aside = []
        self.folder = tempfile.mkdtemp(prefix="supd-lines-")
        package = os.path.join(self.folder, "lines")
        os.mkdir(package)
        self.text = program(self.first)
        with open(os.path.join(package, self.name), "w",
                  encoding="utf-8") as file:
            file.write(self.text)
        self.build(package)
        self.server = Lines()
        self.worker = Worker(self.language, "nng", package).start(
            ["it", 1, {"port": self.server.port}, {}])

    def tearDown(self):
        self.assertEqual(self.worker.end(), 0, self.worker.said)
        self.server.close()
        shutil.rmtree(self.folder)

    def build(self, package):
        """There is nothing to build."""

    def start(self, epoch, cursor, hello):
        starting = self.begin_start(epoch, cursor)
        self.server.accept()
        self.assertEqual(self.server.file.readline(), hello + "\n")
        self.server.say("ready")
        self.assertEqual(self.answer(starting), (None, None))

    def message(self):
        _, number, _, (name, message) = self.until(
            lambda m: m[0] == 0 and m[2] == "channel.message")
        self.assertEqual(name, "lines")
        return number, message

    def test_it_is_as_short_as_promised(self):
        self.assertLessEqual(len(CODE.findall(self.text)), self.most)

    def test_it_receives_and_sends(self):
        self.start(1, None, "hello 0")
        self.server.say("1 ann Hello there", "2 bob Hi")
        number, message = self.message()
        self.assertGreater(message.pop("at"), 1700000000000)
        self.assertEqual(message, {
            "id": "1", "lane": "ann", "cursor": b"1", "from": {"id": "ann"},
            "chat": {"id": "ann", "type": "direct"}, "text": "Hello there"})
        self.worker.send([1, number, None, "new"])
        self.assertEqual(self.server.file.readline(), "ok 1\n")
        number, message = self.message()
        self.assertEqual(message["id"], "2")
        self.assertEqual(
            self.ask("channel.send", "lines", "s1", {"chat": "bob"},
                     {"text": "Hi, Bob", "format": "plain"}, 0),
            (None, ["sent", {"ids": []}]))
        self.assertEqual(self.server.file.readline(), "say bob Hi, Bob\n")
        self.worker.send([1, number, ["busy", "later"], None])
        self.assertEqual(self.answer(self.begin_stop()), (None, [b"1"]))
        self.assertEqual(self.server.file.readline(), "")  # not acknowledged
        self.server.file.close()
        self.start(2, b"1", "hello 1")

    def test_it_fails_with_the_server(self):
        self.start(1, None, "hello 0")
        self.server.file.close()
        self.server.client.close()
        self.assertEqual(self.notification("channel.status"),
                         ["lines", "failed", "the server has left"])
        self.assertEqual(self.answer(self.begin_stop()), (None, [None]))
        self.server.listener.close()
        self.assertEqual(self.answer(self.begin_start(2))[0][0], "failed")


class C(Programs, unittest.TestCase):
    language, name = "c", "lines.c"
    first = (
        "/* lines.c; a server that sends half a line blocks us */")
    most = 60

    def build(self, package):
        subprocess.run(
            ["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror",
             "-Wno-unused-parameter", "-shared", "-fPIC", "-I",
             os.path.join(SOURCE, "worker"), "-o",
             os.path.join(package, "lines.so"),
             os.path.join(package, "lines.c")], check=True)


class Python(Programs, unittest.TestCase):
    language, name, first = "python", "main.py", "# lines.py"


@unittest.skipUnless(shutil.which("node"), "needs Node")
class Node(Programs, unittest.TestCase):
    language, name, first = "node", "main.js", "// lines.js"


if __name__ == "__main__":
    unittest.main()

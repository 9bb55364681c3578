"""What telegram makes of servers at the other end of a connection: which calls
were sent, which ended, and that no thread and no descriptor stays."""
import asyncio
import os
import socket
import sys
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "plugins/telegram")]
import api  # noqa: E402
import settings  # noqa: E402

OK = b'{"ok":true,"result":1}'


def answer(body=OK, status=b"200 OK", more=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status, len(body), more, body)


class Server:
    """Answers each connection by a function (connection, its number)."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve, self.connections, self.threads = serve, [], []
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, len(self.connections)))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection, number):
        with connection:
            try:
                self.serve(connection, number)
            except OSError:
                pass  # the client has left

    def close(self):
        for each in [self.listener] + self.connections:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended
        self.listener.close()
        for thread in [self.thread] + self.threads:
            thread.join()


def read_request(connection):
    """A request, or b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return data


def until_it_leaves(connection):
    while connection.recv(65536):
        pass


class Exchanges(unittest.IsolatedAsyncioTestCase):
    def begin(self, serve, scheme="http"):
        self.server = Server(serve)
        self.addCleanup(self.server.close)
        return self.api_at(self.server.port, scheme)

    def api_at(self, port, scheme="http"):
        made = api.Api(settings.read({
            "token": "1:secret", "api": "%s://127.0.0.1:%d" % (scheme, port),
            "connect_timeout": 30}), self.in_thread)
        self.addCleanup(made.close)
        return made

    async def in_thread(self, function, *arguments):
        task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        self.tasks.append(task)
        return await asyncio.shield(task)

    def setUp(self):
        self.tasks = []

    async def ended(self):
        """All threads have let go, whatever became of those who waited."""
        await asyncio.wait_for(
            asyncio.gather(*self.tasks, return_exceptions=True), 60)

    async def failure(self, made, timeout=30):
        with self.assertRaises(api.Failed) as raised:
            await made.call("getMe", timeout=timeout)
        await self.ended()
        self.assertNotIn("secret", str(raised.exception))
        return raised.exception.kind

    async def slow_failure(self, serve):
        """The same with a limit that passes after the request was read."""
        asked = threading.Event()

        def serve_late(connection, _):
            if read_request(connection):
                asked.set()
                serve(connection)
        made, timeout, kind = self.begin(serve_late), 0.1, None
        while not asked.is_set():
            kind = await self.failure(made, timeout)
            timeout *= 2
        return kind

    async def test_a_connection_is_used_again(self):
        def serve(connection, _):
            while read_request(connection):
                connection.sendall(answer())
        made = self.begin(serve)
        for _ in range(5):
            self.assertEqual(await made.call("getMe"), 1)
        self.assertEqual(len(self.server.connections), 1)
        made.close()

    async def test_one_that_the_server_has_closed_is_not(self):
        def serve(connection, _):
            read_request(connection)
            connection.sendall(answer())
        made = self.begin(serve)
        for number in range(1, 4):
            self.assertEqual(await made.call("getMe"), 1)
            self.server.threads[-1].join()
            self.assertEqual(len(self.server.connections), number)

    async def test_nobody_there_is_unsent(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertEqual(await self.failure(self.api_at(port)), "unsent")

    async def test_what_was_written_is_unknown(self):
        for serve in (lambda c, n: read_request(c),
                      lambda c, n: (read_request(c), c.sendall(b"HTTP/1.1 2")),
                      lambda c, n: (read_request(c), c.sendall(
                          answer()[:-1])),
                      lambda c, n: (read_request(c), c.sendall(b"\0" * 9999)),
                      lambda c, n: (read_request(c), c.sendall(
                          b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")),
                      lambda c, n: (read_request(c), c.sendall(
                          b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                          b"\r\n\r\nzz\r\n"))):
            self.assertEqual(await self.failure(self.begin(serve)), "unknown")

    async def test_silence_ends_and_its_thread_too(self):
        self.assertEqual(await self.slow_failure(until_it_leaves), "unknown")

    async def test_a_dripped_answer_without_a_length_ends(self):
        def serve(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            until_it_leaves(connection)
        self.assertEqual(await self.slow_failure(serve), "unknown")

    async def test_heads_without_an_end_end(self):
        def serve(connection):
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(await self.slow_failure(serve), "unknown")

    async def test_a_handshake_that_does_not_end_ends(self):
        def serve(connection, _):
            until_it_leaves(connection)
        self.assertEqual(await self.failure(self.begin(serve, "https"), 0.2),
                         "unsent")

    async def test_a_cancelled_call_ends_at_once(self):
        asked = threading.Event()

        def serve(connection, _):
            read_request(connection)
            asked.set()
            until_it_leaves(connection)
        made = self.begin(serve)
        task = asyncio.ensure_future(made.call("getUpdates", {}, 10 ** 6))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        await asyncio.wait([task])
        self.assertTrue(task.cancelled())
        await self.ended()

    async def test_no_descriptor_stays(self):
        def serve(connection, number):
            read_request(connection)
            connection.sendall((b"x", answer(), answer(b"{"), answer(
                b"", b"502 Bad Gateway"), answer(
                    more=b"Connection: close\r\n"))[number % 5])
        made = self.begin(serve)
        counts = []
        for _ in range(2):
            for _ in range(10):
                try:
                    await made.call("getMe")
                except api.Failed:
                    pass
            await self.ended()
            for thread in self.server.threads:
                thread.join()
            made.server.connection().close()  # drops those that are closed
            counts.append(len(os.listdir("/proc/self/fd")))
        self.assertEqual(*counts)


if __name__ == "__main__":
    unittest.main()

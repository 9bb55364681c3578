"""wspath: WebSocket connections of a plugin: the round trip of a message
against that of a keep-alive request to the same C plugin, and how long a
message takes while a thousand connections move to the next worker."""
import selectors
import socket
import threading
import time

import peers
import rig as r
from report import median, percentile

CONNECTIONS = 1000
TRIPS = 2000  # of one client, per run
HANDSHAKE = ("GET /talk/a HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
REQUEST = b"GET /text HTTP/1.1\r\nHost: bench\r\n\r\n"
# "ping" as text, masked with zeros, and as it comes back
MESSAGE, ECHO = b"\x81\x84\0\0\0\0ping", b"\x81\x04ping"


def connect(address):
    host, port = address.rsplit(":", 1)
    client = socket.create_connection((host, int(port)), 10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def opened(address):
    client = connect(address)
    client.sendall(HANDSHAKE)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(4096)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise r.BenchError("no 101: %r" % answer[:80])
    return client


def trips(client, said, answered):
    """The median time of a round trip, in us."""
    times = []
    for _ in range(TRIPS):
        began = time.perf_counter_ns()
        client.sendall(said)
        answer = b""
        while not answer.endswith(answered):
            piece = client.recv(4096)
            if not piece:
                raise r.BenchError("the connection ended")
            answer += piece
        times.append((time.perf_counter_ns() - began) / 1000)
    return median(times)


def start(rig, link):
    return peers.Supd(
        rig, link, plugins={"scenario-c": {}},
        more={"limits": {"connections": 4 * CONNECTIONS}},
        defaults={"probation": "0ms"})


def round_trip(options, report, link, supd):
    ratios, messages = [], []
    for _ in range(options.pairs):
        with opened(supd.address) as client:
            message = trips(client, MESSAGE, ECHO)
        with connect(supd.address) as client:
            request = trips(client, REQUEST, b"text\n")
        ratios.append(message / request)
        messages.append(message)
    report.add("wspath", link, "round trip of a message", median(messages),
               " us", runs=messages)
    report.add("wspath", link, "the same against a request", median(ratios),
               runs=ratios)


class Crowd:
    """Clients that each say something as soon as they have the answer."""

    def __init__(self, address):
        self.selector = selectors.DefaultSelector()
        self.said = {}
        for _ in range(CONNECTIONS):
            client = opened(address)
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ)
            self.said[client] = 0

    def say(self, client):
        self.said[client] = time.perf_counter_ns()
        client.sendall(MESSAGE)

    def run(self, is_over):
        """The longest times to an answer, of each client, in ms."""
        longest = dict.fromkeys(self.said, 0)
        for client in self.said:
            self.say(client)
        waiting = len(self.said)
        while waiting:
            for key, _ in self.selector.select(1):
                client = key.fileobj
                data = client.recv(65536)
                if not data or data[0] == 0x88:
                    raise r.BenchError("a connection was closed")
                if ECHO not in data:
                    continue  # the new worker's greeting
                longest[client] = max(longest[client], (
                    time.perf_counter_ns() - self.said[client]) / 1e6)
                if is_over():
                    waiting -= 1
                else:
                    self.say(client)
        return list(longest.values())


def after(thread):
    """Says whether the thread has ended, and all have moved since then."""
    ended = []

    def is_over():
        if not ended and not thread.is_alive():
            ended.append(time.monotonic())
        return ended and time.monotonic() > ended[0] + 1
    return is_over


def moves(options, report, link, supd):
    """All of them talk, without a reload and then over one."""
    crowd = Crowd(supd.address)
    pauses = []
    for _ in range(options.pairs):
        end = time.monotonic() + 1
        calm = crowd.run(lambda: time.monotonic() > end)
        reload = threading.Thread(target=supd.reload, args=("scenario-c",))
        reload.start()
        moved = crowd.run(after(reload))
        reload.join()
        pauses.append(max(moved) - percentile(calm, 0.5))
    report.add("wspath", link, "pause of %d connections at a reload"
               % CONNECTIONS, median(pauses), " ms", runs=pauses)


def wspath(options, report):
    """Messages of WebSocket connections, and a thousand that move."""
    for link in options.links:
        with r.Rig() as rig:
            supd = start(rig, link)
            round_trip(options, report, link, supd)
            moves(options, report, link, supd)

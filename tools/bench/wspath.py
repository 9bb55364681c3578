"""wspath: WebSocket connections of a C plugin: echoes a second beside nginx
that proxies to an equal C program, the round trip of a message against that of
a keep-alive request, and how long an echo takes while a thousand connections
move to the next worker."""
import json
import subprocess
import time

import load
import peers
import rig as r
from report import median
from speed import ratios, rounds

TALKERS = 64
CONNECTIONS = 1000
PERIOD_MS = 100  # of each of them while they move
SETTLE_SECONDS = 1


class Talk:
    """The program `talk`: connections that are open until close()."""

    def __init__(self, rig, address, connections, period_ms=0):
        self.rig = rig
        self.process = subprocess.Popen(
            [r.TALK, address, "/talk/a", str(connections), str(period_ms)],
            text=True, bufsize=1, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.process.name = "talk"
        rig.processes.append(self.process)
        if self.process.stdout.readline() != "open\n":
            raise r.BenchError("the connections did not open")

    def lap(self):
        """What was measured since the lap before."""
        self.process.stdin.write("lap\n")
        lap = json.loads(self.process.stdout.readline())
        if lap["closed"]:
            raise r.BenchError("%d connections ended" % lap["closed"])
        return lap

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.rig.processes.remove(self.process)


def talk_for(rig, address, connections, seconds):
    """The lap of connections that each talk without a pause."""
    talk = Talk(rig, address, connections)
    talk.lap()
    time.sleep(seconds)
    lap = talk.lap()
    talk.close()
    return lap


def supd_of(rig, link):
    return peers.Supd(
        rig, link, plugins={"scenario-c": {}},
        more={"limits": {"connections": 4 * CONNECTIONS}},
        defaults={"probation": "0ms"})


def throughput(options, report):
    """Echoes a second, and CPU time of an echo over all processes."""
    def measure(server):
        before = r.cpu_seconds(server.pids())
        lap = talk_for(rig, server.address, TALKERS, options.seconds)
        cpu = r.cpu_seconds(server.pids()) - before
        return {"rate": lap["echoes"] / lap["seconds"],
                "cpu_us": cpu / lap["echoes"] * 1e6}

    with r.Rig() as rig:
        ours = [supd_of(rig, link) for link in options.links]
        servers = [peers.nginx(rig, r.WS_UPSTREAM)] + ours
        results = rounds(servers, options.pairs, measure)
    for server in servers:
        runs = [run["rate"] for run in results[server.name]]
        report.add("wspath", getattr(server, "link", "-"),
                   server.name + " echoes/s", median(runs), runs=runs)
    for server in ours:
        for key, what in (("rate", "echoes/s against nginx"),
                          ("cpu_us", "CPU per echo against nginx")):
            runs = ratios(results, server.name, "nginx", key)
            report.add("wspath", server.link, what, median(runs), "x",
                       runs=runs)


def round_trip(options, report, link, rig, supd):
    """One client, that talks or asks."""
    messages, against = [], []
    for _ in range(options.pairs):
        message = talk_for(rig, supd.address, 1, options.seconds)["p50Us"]
        request = load.closed_loop(supd.address, options.seconds, "/text",
                                   any_body=True)["p50Ms"] * 1000
        messages.append(message)
        against.append(message / request)
    report.add("wspath", link, "round trip of a message", median(messages),
               " us", runs=messages)
    report.add("wspath", link, "the same against a request", median(against),
               "x", runs=against)


def moves(options, report, link, rig, supd):
    """The longest time to an echo without a reload, and over one."""
    talk = Talk(rig, supd.address, CONNECTIONS, PERIOD_MS)
    calm, moved = [], []
    for _ in range(options.pairs):
        talk.lap()
        time.sleep(SETTLE_SECONDS)
        calm.append(talk.lap()["longestUs"] / 1000)
        supd.reload("scenario-c")
        time.sleep(SETTLE_SECONDS)
        moved.append(talk.lap()["longestUs"] / 1000)
    talk.close()
    report.add("wspath", link, "longest echo of %d connections"
               % CONNECTIONS, median(calm), " ms", runs=calm)
    report.add("wspath", link, "pause of %d connections at a reload"
               % CONNECTIONS, median(moved), " ms", runs=moved)


def wspath(options, report):
    """Messages of WebSocket connections, and a thousand that move."""
    throughput(options, report)
    for link in options.links:
        with r.Rig() as rig:
            supd = supd_of(rig, link)
            round_trip(options, report, link, rig, supd)
            moves(options, report, link, rig, supd)

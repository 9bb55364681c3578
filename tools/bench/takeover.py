"""takeover: how long what cannot exist twice is away in a reload, and how fast
the requests that were held meanwhile are answered, beside a bare program that
has nothing to do but to send as many answers."""
import json
import os
import subprocess
import threading

import peers
import rig as r
from report import median, percentile

HELD = 10000


def start(rig, link, start_script="ok"):
    """supd with a plugin whose service listens on a port, and places for HELD
    clients of one address."""
    package = rig.path("packages")
    os.makedirs(package + "/taker", exist_ok=True)
    with open(package + "/taker/plugin.yaml", "w", encoding="utf-8") as file:
        file.write("name: taker\nversion: 1.0.0\nrun: taker.so\n")
    subprocess.run(["cp", r.PACKAGES + "/taker/taker.so", package + "/taker/"],
                   check=True)
    return peers.Supd(rig, link, packages=[package], plugins={"taker": {
        "settings": {"services": "one", "port": r.own_port(),
                     "locks": rig.path("lock"), "start": start_script}}},
        defaults={"hold_timeout": "2m", "request_timeout": "2m",
                  "probation": "0ms"},
        more={"limits": {"connections": 4 * HELD}})


def takeover(options, report):
    """A port from worker to worker, and 10,000 held requests released."""
    for link in options.links:
        with r.Rig() as rig:
            interruptions(options, report, link, start(rig, link))
        with r.Rig() as rig:
            released(options, report, link, rig)


def interruptions(options, report, link, supd):
    times = []
    for _ in range(options.reloads or 50):
        receipt = supd.reload("taker").document()
        if receipt["mode"] != "exclusive" or not receipt["success"]:
            raise r.BenchError("no take-over: %s" % receipt["error"])
        times.append(receipt["takeMs"])
    report.add("takeover", link, "interruption, p50", median(times), " ms",
               runs=times)
    report.add("takeover", link, "interruption, p99",
               percentile(times, 0.99), " ms")


class Held:
    """The program `held`: HELD clients that have sent a request each."""

    def __init__(self, address):
        host, port = address.split(":")
        self.process = subprocess.Popen(
            [r.HELD, host, port, "/gen", str(HELD)], stdout=subprocess.PIPE,
            encoding="utf-8")
        self.process.stdout.readline()

    def ms(self):
        """The time from the first answer to the last."""
        result = json.loads(self.process.stdout.readline())
        self.process.wait()
        if result["good"] != HELD:
            raise r.BenchError("%d of %d were answered with 200" % (
                result["good"], HELD))
        return (result["last_us"] - result["first_us"]) / 1000


def released_bare(rig):
    port = str(r.free_port())
    bare = rig.start("release", [r.RELEASE, port, str(HELD)], text=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    bare.stdout.readline()
    held = Held("127.0.0.1:" + port)
    bare.stdout.readline()
    bare.stdin.write("go\n")
    bare.stdin.flush()
    ms = held.ms()
    bare.stdin.close()
    rig.stop(bare)
    return ms


def released(options, report, link, rig):
    """The new worker's start waits at a gate, until all are held."""
    times, bare, against = [], [], []
    supd = start(rig, link, "gate")
    gate = rig.path("lock.gate")
    for _ in range(options.pairs):
        if os.path.exists(gate):
            os.unlink(gate)
        reload = threading.Thread(target=supd.reload, args=("taker",))
        r.wait_for("the first start", lambda: opened(supd, gate), 20)
        os.unlink(gate)
        reload.start()
        r.wait_for("a candidate that starts", lambda: os.path.exists(
            rig.path("lock.waits")), 20)
        held = Held(supd.address)
        r.wait_for("%d held" % HELD, lambda: supd.plugin_status(
            "taker")["held"] == HELD, 60)
        rig.write("lock.gate", "")
        times.append(held.ms())
        reload.join()
        bare.append(released_bare(rig))
        against.append(times[-1] / bare[-1])
    report.add("takeover", link, "%d held requests released" % HELD,
               median(times), " ms", runs=times)
    report.add("takeover", link, "as many answers of a bare program",
               median(bare), " ms", runs=bare)
    report.add("takeover", link, "released against the bare program",
               median(against), "x", runs=against)


def opened(supd, gate):
    """Opens the gate for a worker that waits at it while it serves."""
    with open(gate, "w", encoding="utf-8"):
        pass
    services = supd.plugin_status("taker")["services"]
    return services and services[0]["state"] == "running"

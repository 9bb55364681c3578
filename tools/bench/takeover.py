"""takeover: how long what cannot exist twice is away in a reload, and how fast
the requests that were held meanwhile are answered."""
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
        "settings": {"services": "one", "port": r.free_port(),
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


def released(options, report, link, rig):
    """The new worker's start waits at a gate, until all are held."""
    times = []
    supd = start(rig, link, "gate")
    gate = rig.path("lock.gate")
    host, port = supd.address.split(":")
    for _ in range(options.pairs):
        if os.path.exists(gate):
            os.unlink(gate)
        reload = threading.Thread(target=supd.reload, args=("taker",))
        r.wait_for("the first start", lambda: opened(supd, gate), 20)
        os.unlink(gate)
        reload.start()
        r.wait_for("a candidate that starts", lambda: os.path.exists(
            rig.path("lock.waits")), 20)
        held = subprocess.Popen(
            [r.HELD, host, port, "/gen", str(HELD)], stdout=subprocess.PIPE,
            encoding="utf-8")
        held.stdout.readline()
        r.wait_for("%d held" % HELD, lambda: supd.plugin_status(
            "taker")["held"] == HELD, 60)
        rig.write("lock.gate", "")
        result = json.loads(held.stdout.readline())
        held.wait()
        reload.join()
        if result["good"] != HELD:
            raise r.BenchError("%d of %d were answered with 200" % (
                result["good"], HELD))
        times.append((result["last_us"] - result["first_us"]) / 1000)
    report.add("takeover", link, "%d held requests released" % HELD,
               median(times), " ms", runs=times)


def opened(supd, gate):
    """Opens the gate for a worker that waits at it while it serves."""
    with open(gate, "w", encoding="utf-8"):
        pass
    return supd.plugin_status("taker")["services"][0]["state"] == "running"

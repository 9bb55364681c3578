"""channel: messages of a channel that costs nothing, through the store, a
filter and a command in C, and how long a take-over keeps its connection away.
Every message is accounted for: at the channel, in what supd counts, and where
the command was run."""
import json
import os
import struct
import threading

import peers
import rig as r
from report import median, percentile

COUNT = 100000
PER_SECOND = 5000
LANES = 1000
HELD = 10000


def settings(rig, role, **more):
    return dict({"role": role, "dir": rig.path("chat")}, **more)


def start(rig, link, count, rate, lanes, filtered=True, service=False):
    """supd with the channel, the command and perhaps the filter."""
    os.makedirs(rig.path("chat"), exist_ok=True)
    plugins = {
        "chat": {"use": "bench-chat", "settings": settings(
            rig, "channel", count=count, rate=rate, lanes=lanes)},
        "command": {"use": "bench-chat", "settings": settings(
            rig, "command", service=service)}}
    if filtered:
        plugins["filter"] = {"use": "bench-chat",
                             "settings": settings(rig, "filter")}
    supd = peers.Supd(rig, link, plugins=plugins, defaults={
        "hold_timeout": "2m", "probation": "0ms"},
        more={"messages": {"sync": "normal"}})
    r.wait_for("the channel", lambda: channel(supd)["state"] == "up", 20)
    return supd


def channel(supd):
    rows = supd.ctl("--json", "channels").document()["channels"]
    return rows[0] if rows else {"state": "none"}


def ended(supd):
    return sum(channel(supd)["ended"].values())


class Reloads:
    """A plugin after the other, each once in a second."""

    def __init__(self, supd, plugins):
        self.supd, self.plugins, self.over = supd, plugins, threading.Event()
        self.count, self.failed = 0, 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(1 / len(self.plugins)):
            name = self.plugins[self.count % len(self.plugins)]
            self.count += 1
            self.failed += not self.supd.reload(name).document()["success"]

    def stop(self):
        self.over.set()
        self.thread.join()


def handled(rig):
    """What the command was run with, in order: (number, time in us)."""
    with open(rig.path("chat", "handled"), "rb") as file:
        return list(struct.iter_unpack("=QQ", file.read()))


def out_of_order(numbers, lanes):
    last, wrong = {}, 0
    for number in numbers:
        lane = number % lanes
        wrong += last.get(lane, -1) >= number
        last[lane] = number
    return wrong


def flow(options, report, link, lanes, rate, count):
    """Messages at a rate while filter and command are reloaded."""
    what = "%d messages at %d/s in %d lanes" % (count, rate, lanes)
    with r.Rig() as rig:
        supd = start(rig, link, count, rate, lanes)
        reloads = Reloads(supd, ["filter", "command"])
        rig.write("chat/go", "")
        try:
            r.wait_for("the answers", lambda: os.path.exists(
                rig.path("chat", "result")), 60 + 4 * count / rate, 0.05)
            r.wait_for("the ends", lambda: ended(supd) >= count, 120, 0.2)
        finally:
            reloads.stop()
        with open(rig.path("chat", "result"), encoding="utf-8") as file:
            result = json.load(file)
        row = channel(supd)
        numbers = [number for number, _ in handled(rig)]
    report.add("channel", link, what + ": p99 to new",
               result["p99"] / 1000, " ms")
    report.add("channel", link, what + ": p50 to new",
               result["p50"] / 1000, " ms")
    report.add("channel", link, what + ": reloads meanwhile", reloads.count,
               "")
    report.add("channel", link, what + ": reloads that failed",
               reloads.failed, "")
    report.add("channel", link, what + ": not accounted for",
               count - row["ended"]["command"] + count - row["answers"]["new"]
               + count - len(set(numbers)), "")
    report.add("channel", link, what + ": doubled",
               len(numbers) - len(set(numbers)), "")
    report.add("channel", link, what + ": out of order in their lane",
               out_of_order(numbers, lanes), "")


def released(options, report, link):
    """Messages that wait for the command's take-over, from its end on."""
    times = []
    for _ in range(options.pairs):
        with r.Rig() as rig:
            times.append(release(rig, link))
    report.add("channel", link, "%d held messages released" % HELD,
               median(times), " ms", runs=times)


def release(rig, link):
    supd = start(rig, link, HELD, 0, LANES, filtered=False, service=True)
    r.wait_for("the service", lambda: supd.plugin_status(
        "command")["services"][0]["state"] == "running", 20)
    rig.write("chat/closed", "")
    reload = threading.Thread(target=supd.reload, args=("command",))
    reload.start()
    r.wait_for("the take-over", lambda: os.path.exists(
        rig.path("chat", "waits")), 20)
    rig.write("chat/go", "")
    r.wait_for("the messages", lambda: os.path.exists(
        rig.path("chat", "result")), 60, 0.02)
    began = r.now_us()
    os.unlink(rig.path("chat", "closed"))
    reload.join()
    r.wait_for("the ends", lambda: ended(supd) >= HELD, 120, 0.05)
    rows = handled(rig)
    if len(rows) != HELD or rows[0][1] < began:
        raise r.BenchError("%d of %d messages were held" % (
            sum(1 for row in rows if row[1] >= began), HELD))
    return (rows[-1][1] - rows[0][1]) / 1000


def interruptions(options, report, link):
    """How long the connection is away while its plugin is reloaded."""
    with r.Rig() as rig:
        supd = start(rig, link, 1, 1, 1)
        times = []
        for _ in range(options.reloads or 50):
            receipt = supd.reload("chat").document()
            if receipt["mode"] != "exclusive" or not receipt["success"]:
                raise r.BenchError("no take-over: %s" % receipt["error"])
            times.append(receipt["takeMs"])
    report.add("channel", link, "interruption of a channel, p50",
               median(times), " ms", runs=times)
    report.add("channel", link, "interruption of a channel, p99",
               percentile(times, 0.99), " ms")


def measure(options, report):
    """a channel: p99 to `new` over reloads, none lost or doubled, order."""
    count = COUNT if options.seconds > 1 else PER_SECOND
    for link in options.links:
        interruptions(options, report, link)
        released(options, report, link)
        flow(options, report, link, 100, PER_SECOND, count)
        flow(options, report, link, LANES, PER_SECOND, count)

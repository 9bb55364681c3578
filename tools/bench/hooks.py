"""hooks: what observers and filters cost those who wait for them."""
import http.client
import subprocess

import load
import peers
import rig as r
from report import median
from speed import ratios, rounds

EMITS = 100
EMIT_EVERY_US = 10000  # so that each has been handled before the next
OBSERVERS = 20
SLICES = 8  # of a run of calls


def hook_plugin(name, **settings):
    return {"use": "hooks", "settings": dict(
        settings, prefix="/" + name, quiet=True)}


def with_plugins(rig, link, name, plugins):
    server = peers.Supd(rig, link, name=name, plugins={
        "bench": {"use": "bench"}, "fault": {"use": "fault"},
        "caller": hook_plugin("caller"), **plugins})
    load.closed_loop(server.address, 1, "/caller/ping")
    return server


def request_cost(options, report, link):
    """Requests a second with an observer of something else, and without, in
    turn each second; and their processor time, which depends less on who else
    is busy."""
    def measure(server):
        before = r.cpu_seconds(server.pids())
        run = load.wrk(server.address, 1)
        run["cpu"] = (r.cpu_seconds(server.pids()) - before) / run["requests"]
        return run

    with r.Rig() as rig:
        servers = [
            with_plugins(rig, link, "alone", {}),
            with_plugins(rig, link, "observed", {
                "o": hook_plugin("o", event="other.*")})]
        results = rounds(servers, options.pairs * options.seconds, measure)
    runs = ratios(results, "observed", "alone", "rps")
    report.add("hooks", link, "requests/s beside an observer of other events",
               median(runs), "x", runs=runs)
    runs = ratios(results, "observed", "alone", "cpu")
    report.add("hooks", link, "CPU per request beside it", median(runs), "x",
               runs=runs)


def evenly(count, do):
    begin = r.now_us()
    for number in range(1, count + 1):
        do()
        r.pause_until(begin + number * EMIT_EVERY_US)


def emit(server):
    """Events, one after another, from a client that costs next to nothing."""
    client = http.client.HTTPConnection(server.address)

    def emit_one():
        client.request("POST", "/caller/emit?1", "bench.go")
        client.getresponse().read()
    evenly(EMITS, emit_one)
    client.close()


def slowest(server):
    """The mean latency of the slowest observer, in ms."""
    rows = server.ctl("--json", "hooks", "bench.go").document()["hooks"]
    return max(row["hook"]["latencyMs"]["mean"] for row in rows)


def bare_fan(rig, count):
    """The mean time of a bare program for as many processes, in ms."""
    fan = rig.start("fan", [r.FAN, str(count)], text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    times = []

    def ask_one():
        fan.stdin.write("go\n")
        fan.stdin.flush()
        times.append(int(fan.stdout.readline()) / 1000)
    evenly(EMITS, ask_one)
    fan.stdin.close()
    rig.stop(fan)
    return sum(times) / len(times)


def fan_out(options, report, link):
    """An event for 20 plugins: when has the slowest answered?"""
    runs, bare = [], []
    for _ in range(options.pairs):
        means, bare_means = [], []
        for count in (1, OBSERVERS):
            with r.Rig() as rig:
                server = with_plugins(rig, link, "fan", {
                    "o%d" % n: hook_plugin("o%d" % n, event="bench.go")
                    for n in range(count)})
                emit(server)
                means.append(slowest(server))
                bare_means.append(bare_fan(rig, count))
        runs.append(means[1] / means[0])
        bare.append(bare_means[1] / bare_means[0])
    report.add("hooks", link, "fan-out to 20 observers against one",
               median(runs), "x", runs=runs)
    report.add("hooks", link, "a bare program to 20 processes against one",
               median(bare), "x", runs=bare)


def chain(options, report, link):
    """A call through three filters, in C, against one that is not filtered.
    The time of a call is what it adds to a request: a small difference, so
    both are measured in short slices, in turn."""
    def call_ms(server):
        ping, call = (load.closed_loop(
            server.address, max(options.seconds / SLICES, 0.2),
            "/caller/" + path)["p50Ms"] for path in ("ping", "call"))
        return call - ping

    with r.Rig() as rig:
        servers = [
            with_plugins(rig, link, "free", {}),
            with_plugins(rig, link, "filtered", {
                "f%d" % n: hook_plugin("f%d" % n, event="tool.before",
                                       filter=True) for n in range(3)})]
        runs = []
        for _ in range(options.pairs):
            results = rounds(servers, SLICES, call_ms)
            runs.append(median(results["filtered"]) / median(results["free"]))
    report.add("hooks", link, "call through 3 filters against one call",
               median(runs), "x", runs=runs)


def hooks(options, report):
    """what observers and filters cost: a request, an event, a call."""
    for link in options.links:
        request_cost(options, report, link)
        fan_out(options, report, link)
        chain(options, report, link)

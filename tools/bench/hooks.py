"""hooks: what observers and filters cost those who wait for them."""
import load
import peers
import rig as r
from report import median
from speed import ratios, rounds

EMITS = 100
OBSERVERS = 20


def hook_plugin(name, **settings):
    return {"use": "hooks", "settings": dict(settings, prefix="/" + name)}


def with_plugins(rig, link, name, plugins):
    server = peers.Supd(rig, link, name=name, plugins={
        "bench": {"use": "bench"}, "fault": {"use": "fault"},
        "caller": hook_plugin("caller"), **plugins})
    load.closed_loop(server.address, 1, "/caller/ping")
    return server


def request_cost(options, report, link):
    """Requests a second with an observer of something else, and without."""
    with r.Rig() as rig:
        servers = [
            with_plugins(rig, link, "alone", {}),
            with_plugins(rig, link, "observed", {
                "o": hook_plugin("o", event="other.*")})]
        results = rounds(servers, options.pairs, lambda server: load.wrk(
            server.address, options.seconds))
    runs = ratios(results, "observed", "alone", "rps")
    report.add("hooks", link, "requests/s beside an observer of other events",
               median(runs), "x", runs=runs)


def slowest(server):
    """The mean latency of the slowest observer, in ms."""
    rows = server.ctl("--json", "hooks", "bench.go").document()["hooks"]
    return max(row["hook"]["latencyMs"]["mean"] for row in rows)


def fan_out(options, report, link):
    """An event for 20 plugins: when has the slowest answered?"""
    runs = []
    for _ in range(options.pairs):
        means = []
        for count in (1, OBSERVERS):
            with r.Rig() as rig:
                server = with_plugins(rig, link, "fan", {
                    "o%d" % n: hook_plugin("o%d" % n, event="bench.go")
                    for n in range(count)})
                for _ in range(EMITS):
                    server.ctl("emit", "bench.go")
                means.append(slowest(server))
        runs.append(means[1] / means[0])
    report.add("hooks", link, "fan-out to 20 observers against one",
               median(runs), "x", runs=runs)


def chain(options, report, link):
    """A call through three filters, in C, against one that is not filtered."""
    def times(server):
        return {path: load.closed_loop(
            server.address, options.seconds, "/caller/" + path)["p50Ms"]
                for path in ("ping", "call")}

    with r.Rig() as rig:
        servers = [
            with_plugins(rig, link, "free", {}),
            with_plugins(rig, link, "filtered", {
                "f%d" % n: hook_plugin("f%d" % n, event="tool.before",
                                       filter=True) for n in range(3)})]
        results = rounds(servers, options.pairs, times)
    runs = [(filtered["call"] - filtered["ping"]) /
            (free["call"] - free["ping"])
            for filtered, free in zip(results["filtered"], results["free"])]
    report.add("hooks", link, "call through 3 filters against one call",
               median(runs), "x", runs=runs)


def hooks(options, report):
    """what observers and filters cost: a request, an event, a call."""
    for link in options.links:
        request_cost(options, report, link)
        fan_out(options, report, link)
        chain(options, report, link)

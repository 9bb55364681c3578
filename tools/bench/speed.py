"""speed: requests a second and the time of one, beside nginx."""
import load
import peers
import rig as r
from report import median


def rounds(servers, pairs, measure):
    """Measures every server once per round, each round in another order, so
    that drift of the machine hits all alike: {name: [result of a round]}."""
    results = {server.name: [] for server in servers}
    for number in range(pairs):
        shift = number % len(servers)
        for server in servers[shift:] + servers[:shift]:
            results[server.name].append(measure(server))
    return results


def ratios(results, name, peer, key):
    return [a[key] / b[key] for a, b in zip(results[name], results[peer])]


def servers_of(rig, options):
    others = [peers.nginx(rig)]
    if options.haproxy:
        others.append(peers.haproxy(rig))
    return others, [peers.Supd(rig, link) for link in options.links]


def throughput(options, report):
    """wrk -t1 -c64 at full speed; CPU per request over all processes."""
    def measure(server):
        before = r.cpu_seconds(server.pids())
        run = load.wrk(server.address, options.seconds)
        run["cpu_us"] = (r.cpu_seconds(server.pids()) - before) \
            / run["requests"] * 1e6
        return run

    with r.Rig() as rig:
        others, ours = servers_of(rig, options)
        for server in others + ours:
            load.wrk(server.address, 1)
        results = rounds(others + ours, options.pairs, measure)
    for server in others:
        add_plain(report, results, server.name, "-")
    for server in ours:
        fast = ratios(results, server.name, "nginx", "rps")
        cpu = ratios(results, server.name, "nginx", "cpu_us")
        add_plain(report, results, server.name, server.link)
        report.add("throughput", server.link, "requests/s against nginx",
                   median(fast), "x", runs=fast)
        report.add("throughput", server.link, "CPU per request against nginx",
                   median(cpu), "x", runs=cpu)
        report.add("throughput", server.link, "answers that were no 200",
                   sum(run["errors"] for run in results[server.name]))


def add_plain(report, results, name, link):
    for key, what, unit in (("rps", "requests/s", ""),
                            ("cpu_us", "CPU per request", " us")):
        runs = [run[key] for run in results[name]]
        report.add("throughput", link, "%s %s" % (name, what), median(runs),
                   unit, runs=runs)


def latency(options, report):
    """One client, one request after the other: median of each run."""
    with r.Rig() as rig:
        others, ours = servers_of(rig, options)
        results = rounds(others + ours, options.pairs, lambda server:
                         load.closed_loop(server.address, options.seconds))
    for server in others + ours:
        runs = [run["p50Ms"] * 1000 for run in results[server.name]]
        report.add("latency", getattr(server, "link", "-"),
                   server.name + " median", median(runs), " us", runs=runs)
    for server in ours:
        runs = ratios(results, server.name, "nginx", "p50Ms")
        report.add("latency", server.link, "median against nginx",
                   median(runs), "x", runs=runs)

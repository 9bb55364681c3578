"""telemetry: what tracing costs, with a collector and without."""
import http.server
import threading

import load
import peers
import rig as r
from report import median
from speed import ratios, rounds


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes everything and reads none of it, so that its own cost is small."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def collector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def with_telemetry(rig, link, name, port, sampling):
    """The whole document: metrics and logs are off, only traces are measured."""
    more = {"telemetry": {
        "endpoint": "http://127.0.0.1:%d" % port, "sampling": sampling,
        "metrics": False, "logs": False}} if port else {}
    return peers.Supd(rig, link, name=name, more=more)


SIDES = (("at 1 %", "sampled"), ("at 100 %", "all"),
         ("at 1 % without a collector", "dead"))


def side_by_side(options, report, link):
    def measure(server):
        before = r.cpu_seconds([server.process.pid])
        run = load.wrk(server.address, 1)
        run["cpu"] = (r.cpu_seconds([server.process.pid]) - before) \
            / run["requests"]
        return run

    taker = collector()
    port = taker.server_address[1]
    with r.Rig() as rig:
        servers = [
            with_telemetry(rig, link, "off", 0, 0),
            with_telemetry(rig, link, "sampled", port, 0.01),
            with_telemetry(rig, link, "all", port, 1),
            with_telemetry(rig, link, "dead", r.own_port(), 0.01)]
        for server in servers:
            load.wrk(server.address, 1)
        results = rounds(servers, options.pairs * options.seconds, measure)
    taker.shutdown()
    taker.server_close()
    add(report, link, results)


def add(report, link, results):
    off = [run["rps"] for run in results["off"]]
    report.add("telemetry", link, "requests/s, off", median(off), runs=off)
    for what, name in SIDES:
        runs = ratios(results, name, "off", "rps")
        report.add("telemetry", link, "requests/s %s" % what, median(runs),
                   "x", runs=runs)
        runs = ratios(results, name, "off", "cpu")
        report.add("telemetry", link, "CPU of supd %s" % what, median(runs),
                   "x", runs=runs)


def telemetry(options, report):
    """what traces cost: at 1 %, at 100 %, and without a collector."""
    for link in options.links:
        side_by_side(options, report, link)

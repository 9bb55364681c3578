"""stream: events to a thousand clients, a download of 1 GiB, and 1 GiB echoed
to a reader that takes its time."""
import os
import selectors
import socket
import subprocess
import threading
import time

import load
import peers
import rig as r
from report import median, percentile

MIB = 1024 * 1024


def connect(address, request):
    host, port = address.rsplit(":", 1)
    client = socket.create_connection((host, int(port)), 10)
    client.sendall(request)
    return client


def get(address, path):
    return connect(address, ("GET %s HTTP/1.1\r\nHost: bench\r\n\r\n"
                             % path).encode())


# ---- events ----

class Listeners:
    """Many clients of one event stream; each event carries the clock at which
    it was made, in us."""

    def __init__(self, address, path, count):
        self.selector = selectors.DefaultSelector()
        self.clients = []
        for _ in range(count):
            client = get(address, path)
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ)
            self.clients.append(client)

    def listen(self, seconds):
        """(events, us each was on its way)"""
        end, events, delays = time.monotonic() + seconds, 0, []
        while time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                data = key.fileobj.recv(65536)
                if not data:
                    raise r.BenchError("a stream ended")
                events += data.count(b"data: ")
                if events % 16 == 0:  # a sample is enough
                    made = data.rpartition(b"data: ")[2].split(b"\n")[0]
                    if made.isdigit():
                        delays.append(r.now_us() - int(made))
        return events, delays

    def close(self):
        for client in self.clients:
            client.close()
        self.selector.close()


def sse(options, report):
    """1,000 clients at 10 events a second each: CPU of supd and worker."""
    for link in options.links:
        shares, worker_shares, rates, late = [], [], [], []
        with r.Rig() as rig:
            supd = peers.Supd(rig, link, defaults={"max_in_flight": 4096})
            listeners = Listeners(supd.address, "/ticks", 1000)
            listeners.listen(2)
            for _ in range(options.pairs):
                before = (r.cpu_seconds([supd.process.pid]),
                          r.cpu_seconds(supd.workers()), time.monotonic())
                events, delays = listeners.listen(options.seconds)
                took = time.monotonic() - before[2]
                shares.append((r.cpu_seconds([supd.process.pid])
                               - before[0]) / took * 100)
                worker_shares.append((r.cpu_seconds(supd.workers())
                                      - before[1]) / took * 100)
                rates.append(events / took)
                late.append(percentile(delays, 0.99) / 1000)
            listeners.close()
        report.add("sse", link, "events/s that arrived", median(rates),
                   runs=rates)
        report.add("sse", link, "supd, of one core", median(shares), " %",
                   runs=shares)
        report.add("sse", link, "the worker, of one core",
                   median(worker_shares), " %", runs=worker_shares)
        report.add("sse", link, "p99 of an event's way", median(late), " ms",
                   runs=late)


# ---- a download ----

NGINX_FILES = """daemon off;
worker_processes 1;
{user}pid {folder}/files.pid;
error_log {folder}/files.error warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {folder}/files-body;
  proxy_temp_path {folder}/files-proxy;
  fastcgi_temp_path {folder}/files-fastcgi;
  uwsgi_temp_path {folder}/files-uwsgi;
  scgi_temp_path {folder}/files-scgi;
  server {{ listen unix:{folder}/files.sock; root {folder}/files; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://unix:{folder}/files.sock; }}
  }}
}}
"""


class NginxFiles:
    """nginx proxying an nginx that serves the file."""

    def __init__(self, rig):
        self.name = "nginx"
        self.address = "127.0.0.1:%d" % r.free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""
        config = rig.write("files.conf", NGINX_FILES.format(
            folder=rig.folder, port=self.address.split(":")[1], user=user))
        self.process = rig.start("files", [
            "/usr/sbin/nginx", "-c", config, "-e", rig.path("files.error")])
        r.wait_for("nginx", lambda: peers.accepts(self.address), 10)


def download_seconds(address, path, expect):
    began = time.monotonic()
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} "
         "%{size_download}", "http://%s%s" % (address, path)],
        check=False, capture_output=True, text=True)
    took = time.monotonic() - began
    if done.stdout != "200 %d" % expect:
        raise r.BenchError("%s%s: %s %s" % (
            address, path, done.stdout, done.stderr))
    return took


def download(options, report):
    """1 GiB through a plugin against nginx proxying the same file."""
    size = 1024 * MIB
    for link in options.links:
        with r.Rig() as rig:
            os.mkdir(rig.path("files"))
            with open(rig.path("files", "big"), "wb") as big:
                for _ in range(size // MIB):
                    big.write(os.urandom(MIB))
            nginx = NginxFiles(rig)
            supd = peers.Supd(
                rig, link, packages=[os.path.join(r.BUILD, "plugins")],
                plugins={"bench": {"settings": {}}, "static": {
                    "mount": "/files",
                    "settings": {"root": rig.path("files")}}})
            compare_downloads(options, report, link, nginx, supd, size)


def compare_downloads(options, report, link, nginx, supd, size):
    ways = {"nginx": (nginx, "/big"), "static": (supd, "/files/big"),
            "made up by the plugin": (supd, "/bytes?%d" % size)}
    speeds = {name: [] for name in ways}
    for pair in range(options.pairs + 1):
        for name, (server, path) in ways.items():
            took = download_seconds(server.address, path, size)
            if pair:  # the first fills the caches
                speeds[name].append(size / MIB / took)
    for name, runs in speeds.items():
        report.add("download", link, "1 GiB, " + name, median(runs),
                   " MiB/s", runs=runs)
        if name == "nginx":
            continue
        against = [a / b for a, b in zip(runs, speeds["nginx"])]
        report.add("download", link, name + " against nginx",
                   median(against), "x", runs=against)


# ---- a slow reader ----

class SlowEcho(threading.Thread):
    """POSTs 1 GiB and reads the answer at 100 KiB/s until it is told to end."""

    def __init__(self, address):
        super().__init__(daemon=True)
        size = 1024 * MIB
        self.client = connect(address, (
            "POST /echo HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n"
            % size).encode())
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.client.setblocking(False)
        self.sent = self.read = 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        data, began = memoryview(os.urandom(MIB)), time.monotonic()
        while not self.ended.wait(0.02):
            try:
                for _ in range(64):
                    self.sent += self.client.send(data[:65536])
            except BlockingIOError:
                pass
            due = (time.monotonic() - began) * 100 * 1024 - self.read
            try:
                if due > 0:
                    self.read += len(self.client.recv(int(due)))
            except BlockingIOError:
                pass
        self.client.close()


def echo(options, report):
    """1 GiB echoed to a reader of 100 KiB/s: memory, and the others' p99."""
    for link in options.links:
        with r.Rig() as rig:
            supd = peers.Supd(
                rig, link, packages=[os.path.join(r.BUILD, "plugins")],
                plugins={"echo": {}})
            quiet, busy, grown, moved = [], [], {}, 0
            for _ in range(options.pairs):
                quiet.append(others_p99(supd, options.seconds))
                before = {pid: r.rss_bytes(pid) for pid in supd.pids()}
                reader = SlowEcho(supd.address)
                busy.append(others_p99(supd, 4 * options.seconds))
                for pid, bytes_before in before.items():
                    grown[pid] = max(grown.get(pid, 0),
                                     r.rss_bytes(pid) - bytes_before)
                reader.ended.set()
                reader.join()
                moved += reader.read
        if not moved:
            raise r.BenchError("nothing came back of the echo")
        own = grown.pop(supd.process.pid)
        report.add("echo", link, "growth of supd's RSS", own / MIB, " MiB")
        report.add("echo", link, "growth of a worker's RSS",
                   max(grown.values()) / MIB, " MiB")
        report.add("echo", link, "p99 of others on the plugin, without",
                   median(quiet), " ms", runs=quiet)
        report.add("echo", link, "p99 of others on the plugin, with",
                   median(busy), " ms", runs=busy)
        against = [b / a for a, b in zip(quiet, busy)]
        report.add("echo", link, "p99 of others against without",
                   median(against), "x", runs=against)


def others_p99(supd, seconds):
    """p99 in ms of small requests to the plugin that echoes."""
    run = load.Load(supd.rig, supd.address, seconds, rate=200, connections=4,
                    post=0, path="/echo", any_body=True)
    summary, records = run.wait()
    if summary["failed"]:
        raise r.BenchError("%d requests failed: %s" % (
            summary["failed"], summary["statuses"]))
    return percentile([x.end - x.due for x in records
                       if x.outcome == load.OK], 0.99) / 1000

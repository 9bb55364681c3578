"""today: what changing one Node program costs its clients, the ways that
people do it: restarted behind nginx, reloaded by pm2, reloaded by supd."""
import os
import shutil
import subprocess

import load
import peers
import rig as r
from languages import HERE
from report import median

CHANGES = 10
RATE = 500
CONNECTIONS = 16

NGINX = """daemon off;
worker_processes 1;
{user}pid {folder}/today.pid;
error_log {folder}/today.error crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/today-body;
  proxy_temp_path {folder}/today-proxy;
  fastcgi_temp_path {folder}/today-fastcgi;
  uwsgi_temp_path {folder}/today-uwsgi;
  scgi_temp_path {folder}/today-scgi;
  upstream program {{ server 127.0.0.1:{program}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://program;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class Restarted:
    """A program behind nginx; a change is its end and a new start."""
    name = "nginx, program restarted"

    def __init__(self, rig):
        self.rig = rig
        self.port = r.free_port()
        self.start()
        self.address = "127.0.0.1:%d" % r.free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""
        config = rig.write("today.conf", NGINX.format(
            folder=rig.folder, port=self.address.split(":")[1],
            program=self.port, user=user))
        rig.start("today", ["/usr/sbin/nginx", "-c", config, "-e",
                            rig.path("today.error")])
        r.wait_for("nginx", lambda: peers.accepts(self.address), 10)

    def start(self):
        self.program = self.rig.start("program", [
            "node", os.path.join(HERE, "bare_node.js"), str(self.port)])
        r.wait_for("the program", lambda: peers.accepts(
            "127.0.0.1:%d" % self.port), 10)

    def change(self):
        self.rig.stop(self.program)
        self.start()


class Pm2:
    """Two processes of the program in pm2's cluster mode; `pm2 reload`."""
    name = "pm2 reload, 2 processes"

    def __init__(self, rig):
        self.environment = dict(os.environ, PM2_HOME=rig.path("pm2"))
        port = r.free_port()
        self.address = "127.0.0.1:%d" % port
        self.pm2("start", os.path.join(HERE, "bare_node.js"), "-i", "2",
                 "--name", "program", "--", str(port))
        r.wait_for("pm2", lambda: peers.accepts(self.address), 20)

    def pm2(self, *words):
        done = subprocess.run(["pm2"] + list(words), env=self.environment,
                              check=False, capture_output=True, text=True)
        if done.returncode:
            raise r.BenchError("pm2 %s: %s" % (words[0], done.stderr))

    def change(self):
        self.pm2("reload", "program")

    def close(self):
        self.pm2("kill")


class Reloaded:
    """The same answer as a plugin of supd."""
    name = "supd reload"

    def __init__(self, rig):
        self.supd = peers.Supd(rig, "nng", plugins={"bench-node": {}})
        self.address = self.supd.address

    def change(self):
        command = self.supd.reload("bench-node")
        if command.code:
            raise r.BenchError("reload: %s" % command.out)


def today(options, report):
    """Ten changes of a Node program a second apart, at 500 requests/s."""
    ways = [Restarted, Reloaded] + ([Pm2] if shutil.which("pm2") else [])
    for way in ways:
        failed, closed, gaps, took = [], [], [], []
        for _ in range(options.pairs):
            with r.Rig() as rig:
                one = way(rig)
                try:
                    run = changes_under_load(rig, one)
                finally:
                    if hasattr(one, "close"):
                        one.close()
            failed.append(run[0]["failed"])
            closed.append(run[0]["closedConnections"])
            gaps.append(longest_gap_ms(run[1]))
            took += run[2]
        for what, runs, unit in (
                ("failed requests of %d" % (run[0]["sent"]), failed, ""),
                ("client connections closed", closed, ""),
                ("longest time without an answer", gaps, " ms"),
                ("a change takes", took, " ms")):
            report.add("today", "-", "%s: %s" % (way.name, what),
                       median(runs), unit, runs=runs)


def changes_under_load(rig, way):
    run = load.Load(rig, way.address, 120, rate=RATE, connections=CONNECTIONS,
                    post=0, any_body=True)
    start, took = r.now_us(), []
    for number in range(CHANGES):
        r.pause_until(start + (number + 1) * 1000000)
        began = r.now_us()
        way.change()
        took.append((r.now_us() - began) / 1000)
    r.pause_until(r.now_us() + 500000)
    return run.stop() + (took,)


def longest_gap_ms(records):
    ends = sorted(x.end for x in records if x.outcome == load.OK)
    return max(b - a for a, b in zip(ends, ends[1:])) / 1000

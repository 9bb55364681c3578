"""peers: supd and the servers that it is compared with, each started in the
rig's folder on a free port of loopback. A peer has `address` and `pids()`."""
import http.client
import json
import os
import shutil
import socket
import time

import rig as r

# One worker: supd too serves all clients on one thread. The limits on
# requests per connection are lifted so that nginx closes none of its own.
NGINX = """daemon off;
worker_processes 1;
{user}pid {folder}/nginx.pid;
error_log {folder}/nginx.error warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream program {{
    server unix:{folder}/upstream.sock;
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://program;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
    location /talk/ {{
      proxy_pass http://program;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }}
  }}
}}
"""

HAPROXY = """global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:{port}
  default_backend program
backend program
  server one unix@{folder}/upstream.sock
"""


def accepts(address):
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), 1):
            return True
    except OSError:
        return False


def get_status(address, path):
    """The status of a GET, or None where nobody answers."""
    client = http.client.HTTPConnection(address, timeout=5)
    try:
        client.request("GET", path)
        return client.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()


class Proxy:
    """A known proxy in front of the upstream program."""

    def __init__(self, rig, name, template, command, program=r.UPSTREAM):
        self.name = name
        self.rig = rig
        self.address = "127.0.0.1:%d" % r.free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""
        config = rig.write(name + ".conf", template.format(
            folder=rig.folder, port=self.address.split(":")[1], user=user))
        self.upstream = rig.start(name + "-upstream", [
            program, rig.path("upstream.sock")])
        r.wait_for("upstream", lambda: os.path.exists(
            rig.path("upstream.sock")), 5)
        self.process = rig.start(name, [a.format(config=config)
                                        for a in command])
        r.wait_for(name, lambda: accepts(self.address), 10)

    def pids(self):
        return r.tree(self.process.pid) + [self.upstream.pid]

    def stop(self):
        self.rig.stop(self.process)
        self.rig.stop(self.upstream)


def nginx(rig, program=r.UPSTREAM):
    return Proxy(rig, "nginx", NGINX, [
        "/usr/sbin/nginx", "-c", "{config}", "-e", rig.path("nginx.error")],
                 program)


def haproxy(rig):
    return Proxy(rig, "haproxy", HAPROXY, [
        "/usr/sbin/haproxy", "-f", "{config}"])


class Supd:
    """supd with plugins of its own. `plugins` is the part of the same name of
    the configuration; the plugin bench reads its version from `version`."""

    def __init__(self, rig, link, plugins=None, name=None, packages=None,
                 defaults=None, ready_seconds=60, more=None):
        """more: other parts of the configuration."""
        self.rig = rig
        self.more = more or {}
        self.link = link
        self.name = name or "supd-" + link
        self.address = "127.0.0.1:%d" % r.free_port()
        self.folder = rig.path(self.name)
        os.mkdir(self.folder)
        self.version_file = rig.path(self.name, "version")
        self.version = 0
        self.next_version()
        self.runtime = os.path.join(rig.runtime, self.name)
        self.socket = os.path.join(self.runtime, "control.sock")
        self.packages = (packages or []) + [r.PACKAGES]
        self.defaults = dict(defaults or {}, link=link)
        self.plugins = plugins or {"bench": self.bench_plugin()}
        self.configure()
        self._start(ready_seconds)

    def bench_plugin(self, **more):
        settings = {"version_file": self.version_file}
        settings.update(more.pop("settings", {}))
        return dict({"settings": settings}, **more)

    def configure(self):
        """Writes the configuration: JSON, which is YAML."""
        self.config = self.rig.write(self.name + "/supd.yaml", json.dumps({
            **self.more,
            "listen": [{"http": self.address}],
            "plugin_dirs": self.packages,
            "defaults": self.defaults,
            "plugins": self.plugins}, indent=1) + "\n")

    def _start(self, ready_seconds):
        began = time.monotonic()
        self.process = self.rig.start(self.name, [
            r.SUPD, "-c", self.config,
            "--runtime-dir", self.runtime,
            "--state-dir", self.folder + "/state"])
        r.wait_for(self.name + " ready", self._is_ready, ready_seconds,
                   every=0.01)
        self.ready_seconds = time.monotonic() - began

    def _is_ready(self):
        if self.process.poll() is not None:
            raise r.BenchError("%s ended with %d:\n%s" % (
                self.name, self.process.returncode, self.rig.tail(self.name)))
        return get_status(self.address, "/readyz") == 200

    def pids(self):
        return r.tree(self.process.pid)

    def workers(self):
        return [pid for pid in self.pids() if pid != self.process.pid]

    def stop(self):
        self.rig.stop(self.process, 30)

    def set_version(self, text):
        self.rig.write(self.name + "/version", text + "\n")

    def next_version(self):
        self.version += 1
        self.set_version(str(self.version))

    def ctl(self, *verb):
        """Runs supctl to its end: Command."""
        return Command([r.SUPCTL, "-s", self.socket] + list(verb))

    def reload(self, plugin="bench"):
        return self.ctl("--json", "reload", plugin)

    def plugin_status(self, plugin="bench"):
        said = self.ctl("--json", "status", plugin).document()
        rows = said.get("plugins", [said])
        return next(row for row in rows
                    if row.get("id", row.get("pluginId")) == plugin)


class Command:
    """A command that was run to its end; times as in the load's log."""

    def __init__(self, command):
        read_end, write_end = os.pipe()
        self.started = r.now_us()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, write_end, 1)])
        os.close(write_end)
        with os.fdopen(read_end, encoding="utf-8") as out:
            self.out = out.read()
        status = os.waitpid(pid, 0)[1]
        self.ended = r.now_us()
        self.code = os.waitstatus_to_exitcode(status)

    @property
    def ms(self):
        return (self.ended - self.started) / 1000

    def document(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise r.BenchError("supctl exited %d and printed no JSON: %r" % (
                self.code, self.out[:300])) from error


def missing_programs():
    """What would have to be there before anything can be measured."""
    missing = [p for p in ("/usr/sbin/nginx", r.LOAD, r.UPSTREAM, r.SUPD,
                           r.SUPCTL, r.WORKER) if not os.path.exists(p)]
    return missing + ([] if shutil.which("wrk") else ["wrk"])

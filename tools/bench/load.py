"""load: runs the load generators and reads what they measured."""
import json
import re
import struct
import subprocess

import rig as r

RECORD = struct.Struct("<QQQIIHBBHH")
OK, CONNECT, CLOSED, STATUS, BODY, MALFORMED, TIMEOUT = range(7)


class Record:
    """One request; times in microseconds of CLOCK_MONOTONIC."""
    __slots__ = ("due", "sent", "end", "version", "pid", "status", "outcome",
                 "post")

    def __init__(self, fields):
        (self.due, self.sent, self.end, self.version, self.pid, self.status,
         self.outcome, self.post) = fields[:8]


class Load:
    """An open-loop run in the background: stop() gives summary and records."""

    def __init__(self, rig, address, seconds, rate=2000, connections=32,
                 post=25, path="/hello", any_body=False):
        self.rig = rig
        self.log = rig.path("load.records")
        self.process = rig.start("load", [
            r.LOAD, address, "--rate=%d" % rate,
            "--connections=%d" % connections, "--post=%d" % post,
            "--seconds=%g" % seconds, "--path=" + path, "--log=" + self.log]
            + (["--any-body"] if any_body else []),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if line.strip() != "running":
            raise r.BenchError("load: %s" % line.strip())

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def wait(self):
        out, err = self.process.communicate(timeout=300)
        self.rig.processes.remove(self.process)
        if self.process.returncode:
            raise r.BenchError("load: %s" % err.strip())
        with open(self.log, "rb") as log:
            records = [Record(f) for f in RECORD.iter_unpack(log.read())]
        return json.loads(out), records


def closed_loop(address, seconds, path="/hello", any_body=False):
    """One client, one request after the other: the summary."""
    done = subprocess.run(
        [r.LOAD, address, "--closed=1", "--seconds=%g" % seconds,
         "--path=" + path] + (["--any-body"] if any_body else []),
        check=False, capture_output=True, text=True)
    if done.returncode:
        raise r.BenchError("load: %s" % done.stderr.strip())
    said = json.loads(done.stdout)
    if said["failed"]:
        raise r.BenchError("%s%s: %d requests failed: %s" % (
            address, path, said["failed"], said["reasons"]))
    return said


def wrk(address, seconds, connections=64, path="/hello"):
    """Requests a second at full speed: {rps, requests, errors}."""
    done = subprocess.run(
        ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds,
         "http://%s%s" % (address, path)],
        check=False, capture_output=True, text=True)
    text = done.stdout
    rate = re.search(r"Requests/sec: *([\d.]+)", text)
    requests = re.search(r"(\d+) requests in", text)
    if not rate or not requests:
        raise r.BenchError("wrk: %s%s" % (text, done.stderr))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: (.*)", text)
    return {"rps": float(rate.group(1)), "requests": int(requests.group(1)),
            "errors": (int(bad.group(1)) if bad else 0) + sum(
                int(n) for n in re.findall(
                    r"\d+", sockets.group(1) if sockets else ""))}

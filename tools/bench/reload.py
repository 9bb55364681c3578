"""reload: what clients notice of reloads that succeed, under 2,000 requests a
second on 32 keep-alive connections, whatever the answers do."""
import bisect
import contextlib
import os
import socket

import load
import peers
import rig as r
from report import median, percentile

CADENCE_US = 300000
# A reload leaves the new worker and at most max_retiring old ones.
IDLE_WORKERS = 5


def p999_ms(records):
    return percentile([x.end - x.due for x in records
                       if x.outcome == load.OK], 0.999) / 1000


def settle(supd, plugin="bench", seconds=20):
    """Waits until no old worker is left, so that runs do not overlap."""
    r.wait_for("old workers of %s gone" % plugin,
               lambda: len(supd.workers()) <= len(supd.plugins), seconds)


# ---- a hundred reloads and their control ----

class IdleWorkers:
    """Workers that start as for a reload and then wait: they dial a socket
    where nobody answers their hello. The oldest goes when there are many."""

    def __init__(self, rig, link):
        self.rig, self.link, self.alive = rig, link, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.path = rig.path("idle.sock")
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(1024)

    def start(self):
        self.alive.append(self.rig.start("idle", [
            r.WORKER, "host", "bench.so"],
            cwd=os.path.join(r.PACKAGES, "bench"),
            env={"SUPD_SOCKET": self.path, "SUPD_PLUGIN": "bench",
                 "SUPD_GENERATION": "1", "SUPD_NONCE": "none",
                 "SUPD_PROTOCOL": "1", "SUPD_DATA_DIR": self.rig.folder,
                 "SUPD_LINK": self.link, "SUPD_PARENT": str(os.getpid()),
                 "PATH": os.environ.get("PATH", "")}))
        if len(self.alive) > IDLE_WORKERS:
            self.end(self.alive.pop(0))

    def end(self, worker):
        if worker.poll() is not None:
            raise r.BenchError("an idle worker ended with %d: %s" % (
                worker.returncode, self.rig.tail("idle", 2)))
        worker.kill()
        worker.wait()
        self.rig.processes.remove(worker)

    def close(self):
        while self.alive:
            self.end(self.alive.pop())
        self.listener.close()


def under_load(supd, count, step):
    """Calls step() `count` times, one every 0.3 s, while the load runs."""
    run = load.Load(supd.rig, supd.address, count * CADENCE_US / 1e6 + 60)
    done, start = [], r.now_us()
    for number in range(count):
        r.pause_until(start + (number + 1) * CADENCE_US)
        done.append(step())
    r.pause_until(r.now_us() + CADENCE_US)
    return run.stop() + (done,)


def control_run(supd, count):
    idle = IdleWorkers(supd.rig, supd.link)

    def step():
        idle.start()
        return supd.ctl("version")

    try:
        return under_load(supd, count, step)
    finally:
        idle.close()


def reload_run(supd, count):
    def step():
        supd.next_version()
        command = supd.reload()
        command.version = supd.version
        return command

    return under_load(supd, count, step)


def to_new_version_ms(records, commands):
    """From each command to the end of the first answer of its version."""
    first = {}
    for x in records:
        if x.outcome == load.OK and not x.post:
            first[x.version] = min(x.end, first.get(x.version, x.end))
    return [(first[c.version] - c.started) / 1000 for c in commands
            if c.version in first]


def stale(records, commands):
    """Answers of an older version to requests sent after a verdict."""
    done = [c for c in commands if c.code == 0]
    moments = [c.ended for c in done]
    count = 0
    for x in records:
        at = bisect.bisect_left(moments, x.sent)
        if x.outcome == load.OK and not x.post and at and \
                x.version < done[at - 1].version:
            count += 1
    return count


def reload(options, report):
    """100 reloads, one every 0.3 s, beside a control run without them."""
    count = options.reloads or 100
    for link in options.links:
        runs = []
        with r.Rig() as rig:
            supd = peers.Supd(rig, link)
            for pair in range(options.pairs):
                both = [control_run, reload_run][::1 if pair % 2 else -1]
                done = {}
                for kind in both:
                    done[kind] = kind(supd, count)
                    settle(supd)
                runs.append((done[control_run], done[reload_run]))
        add_reload(report, link, runs)


def add_reload(report, link, runs):
    def add(what, values, unit=""):
        report.add("reload", link, what, median(values), unit,
                   runs=values)

    def total(what, values, unit=""):
        report.add("reload", link, what, sum(values), unit)

    reloads = [run for _, run in runs]
    control = [p999_ms(records) for _, records, _ in (a for a, _ in runs)]
    ours = [p999_ms(records) for _, records, _ in reloads]
    total("reloads", [len(done) for _, _, done in reloads])
    total("reloads that exited other than 0",
          [len([c for c in done if c.code]) for _, _, done in reloads])
    total("requests", [summary["sent"] for summary, _, _ in reloads])
    total("failed requests",
          [summary["failed"] for summary, _, _ in reloads])
    total("client connections closed", [
        summary["closedConnections"] for summary, _, _ in reloads])
    total("answers of the old version after the verdict",
          [stale(records, done) for _, records, done in reloads])
    total("failed requests of the control runs",
          [summary["failed"] for (summary, _, _), _ in runs])
    add("p99.9 of the control run", control, " ms")
    add("p99.9 with reloads", ours, " ms")
    add("p99.9 against the control run",
        [a / b for a, b in zip(ours, control)], "x")
    times = [to_new_version_ms(records, done) for _, records, done in reloads]
    add("command to new version, p50",
        [percentile(t, 0.5) for t in times], " ms")
    add("command to new version, p99",
        [percentile(t, 0.99) for t in times], " ms")
    verdicts = [[c.ms for c in done] for _, _, done in reloads]
    add("command to its exit, p50",
        [percentile(v, 0.5) for v in verdicts], " ms")
    add("a command that changes nothing to its exit, p50",
        [percentile([c.ms for c in done], 0.5)
         for _, _, done in (a for a, _ in runs)], " ms")
    receipts = [[c.document() for c in done if c.code == 0]
                for _, _, done in reloads]
    for phase in ("staging", "spawning", "checking", "commit"):
        add("phase %s, p50" % phase,
            [percentile([d["phases"][phase] or 0 for d in one], 0.5)
             for one in receipts], " ms")

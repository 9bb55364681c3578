"""reload: what clients notice while plugins change or die under load: 2,000
requests a second on 32 keep-alive connections, whatever the answers do."""
import bisect
import contextlib
import os
import shutil
import socket

import load
import peers
import rig as r
from report import median, percentile

CADENCE_US = 300000
# A reload leaves the new worker and at most max_retiring old ones.
IDLE_WORKERS = 5


def failures(records, post=None):
    return [x for x in records if x.outcome != load.OK
            and (post is None or x.post == post)]


def p999_ms(records):
    return percentile([x.end - x.due for x in records
                       if x.outcome == load.OK], 0.999) / 1000


def gaps_ms(records, moments, reach_us=900000):
    """The longest time without a success around each of the moments."""
    ends = sorted(x.end for x in records if x.outcome == load.OK)
    for moment in moments:
        near = ends[max(bisect.bisect(ends, moment) - 1, 0):
                    bisect.bisect(ends, moment + reach_us) + 1]
        yield max([b - a for a, b in zip(near, near[1:])],
                  default=reach_us) / 1000


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
                done = {kind: kind(supd, count) for kind in both}
                settle(supd)
                runs.append((done[control_run], done[reload_run]))
        add_reload(report, link, runs)


def add_reload(report, link, runs):
    def add(what, values, unit="", **limit):
        report.add("reload", link, what, median(values), unit,
                   runs=values, **limit)

    def total(what, values, unit="", **limit):
        report.add("reload", link, what, sum(values), unit, **limit)

    reloads = [run for _, run in runs]
    control = [p999_ms(records) for _, records, _ in (a for a, _ in runs)]
    ours = [p999_ms(records) for _, records, _ in reloads]
    total("reloads", [len(done) for _, _, done in reloads])
    total("reloads that exited other than 0",
          [len([c for c in done if c.code]) for _, _, done in reloads],
          most=0)
    total("requests", [summary["sent"] for summary, _, _ in reloads])
    total("failed requests",
          [summary["failed"] for summary, _, _ in reloads], most=0)
    total("client connections closed", [
        summary["closedConnections"] for summary, _, _ in reloads], most=0)
    total("answers of the old version after the verdict",
          [stale(records, done) for _, records, done in reloads], most=0)
    total("failed requests of the control runs",
          [summary["failed"] for (summary, _, _), _ in runs])
    add("p99.9 of the control run", control, " ms")
    add("p99.9 with reloads", ours, " ms")
    add("p99.9 against the control run",
        [a / b for a, b in zip(ours, control)], "x", most=1.3)
    times = [to_new_version_ms(records, done) for _, records, done in reloads]
    add("command to new version, p50",
        [percentile(t, 0.5) for t in times], " ms", most=5.0)
    add("command to new version, p99",
        [percentile(t, 0.99) for t in times], " ms", most=30.0)
    verdicts = [[c.ms for c in done] for _, _, done in reloads]
    add("command to its exit, p50",
        [percentile(v, 0.5) for v in verdicts], " ms")


# ---- versions that fail ----

START_TIMEOUT_MS = 2000


def fail(options, report):
    """The new version exits, or never gets ready, under load."""
    for link in options.links:
        with r.Rig() as rig:
            supd = peers.Supd(rig, link,
                              defaults={"start_timeout": "2s"})
            run = load.Load(rig, supd.address, 600)
            exits, hangs = [], []
            for _ in range(options.pairs):
                exits.append(failing_reload(supd, "EXIT"))
                hangs.append(failing_reload(supd, "HANG"))
            pid_before = supd.plugin_status()["pid"]
            supd.next_version()
            mended = supd.reload()
            summary, records = run.stop()
        add_fail(report, link, exits, hangs)
        pids = {x.pid for x in records if x.version == 1}
        report.add("fail", link, "failed requests", summary["failed"], most=0)
        report.add("fail", link, "pids that served before the cure",
                   len(pids | {pid_before}), most=1)
        report.add("fail", link, "reload with the cause mended exits",
                   mended.code, most=0)


def failing_reload(supd, text):
    supd.set_version(text)
    command = supd.reload()
    command.document()
    return command


def add_fail(report, link, exits, hangs):
    # The exit comes after the command: so this bounds what is asked for.
    report.add("fail", link, "EXIT: command to verdict",
               median([c.ms for c in exits]), " ms", most=50.0,
               runs=[c.ms for c in exits])
    report.add("fail", link, "HANG: verdict after the deadline",
               median([c.ms - START_TIMEOUT_MS for c in hangs]), " ms",
               most=50.0, runs=[c.ms - START_TIMEOUT_MS for c in hangs])
    report.add("fail", link, "verdicts that did not exit 1",
               len([c for c in exits + hangs if c.code != 1]), most=0)


# ---- a new version that dies after the swap ----

def fault_package(rig):
    """A copy of the package fault whose manifest can be changed."""
    folder = rig.path("packages", "fault")
    shutil.copytree(os.path.join(r.PACKAGES, "fault"), folder)
    return folder


def set_mode(folder, mode):
    path = os.path.join(folder, "plugin.yaml")
    with open(os.path.join(r.PACKAGES, "fault", "plugin.yaml"),
              encoding="utf-8") as manifest:
        text = manifest.read()
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text)
        if mode:
            out.write("settings: {mode: %s, exit_after_ms: 300}\n" % mode)
    os.rename(path + ".new", path)


def revert(options, report):
    """exit_after_swap, and kill -9 just after the swap, under load."""
    for link in options.links:
        for name, measure in (("exit_after_swap", revert_by_exit),
                              ("kill after the swap", revert_by_kill)):
            with r.Rig() as rig:
                runs = list(measure(rig, link, options.pairs))
            add_revert(report, link, name, runs)


def revert_by_exit(rig, link, count):
    folder = fault_package(rig)
    supd = peers.Supd(rig, link, plugins={"fault": {}},
                      packages=[os.path.dirname(folder)])
    for _ in range(count):
        set_mode(folder, None)
        supd.reload("fault")
        settle(supd)
        old = supd.plugin_status("fault")["pid"]
        run = load.Load(rig, supd.address, 60, path="/fault", post=0,
                        any_body=True)
        set_mode(folder, "exit_after_swap")
        yield reverted(supd, "fault", run, old, kill=False)


def revert_by_kill(rig, link, count):
    supd = peers.Supd(rig, link)
    for _ in range(count):
        settle(supd)
        old = supd.plugin_status()["pid"]
        supd.next_version()
        run = load.Load(rig, supd.address, 60)
        yield reverted(supd, "bench", run, old, kill=True)


def reverted(supd, plugin, run, old, kill):
    """One try: (summary, records, does the old pid serve again, gap)."""
    command = supd.reload(plugin)
    new = command.document().get("pid")
    if command.code or not new or new == old:
        raise r.BenchError("the reload before the crash failed: %s" %
                           command.out)
    if kill:
        r.kill(new)
    came_back = True
    try:
        r.wait_for("old pid", lambda: supd.plugin_status(
            plugin)["pid"] == old, 3)
    except r.BenchError:
        came_back = False
    r.pause_until(r.now_us() + CADENCE_US)
    summary, records = run.stop()
    served = [x.pid for x in sorted(records, key=lambda x: x.end)
              if x.outcome == load.OK and x.pid]
    back = came_back and bool(served) and served[-1] == old
    return summary, records, back, max(gaps_ms(records, [command.ended]))


def add_revert(report, link, name, runs):
    report.add("revert", link, name + ": the old pid serves again, of %d"
               % len(runs), len([1 for run in runs if run[2]]),
               least=len(runs))
    report.add("revert", link, name + ": failed GETs", sum(
        len(failures(run[1], post=0)) for run in runs), most=0)
    report.add("revert", link, name + ": connections closed", sum(
        run[0]["closedConnections"] for run in runs), most=0)
    report.add("revert", link, name + ": longest gap",
               median([run[3] for run in runs]), " ms",
               runs=[run[3] for run in runs])


# ---- kill -9 ----

def kill(options, report):
    """kill -9 of the worker, ten times a second apart, under load."""
    for link in options.links:
        gaps, lost_gets, lost_posts, closed = [], 0, 0, 0
        with r.Rig() as rig:
            supd = peers.Supd(rig, link)
            for _ in range(options.pairs):
                summary, records, moments = kill_run(supd)
                gaps.append(median(list(gaps_ms(records, moments))))
                lost_gets += len(failures(records, post=0))
                lost_posts += len(failures(records, post=1))
                closed += summary["closedConnections"]
        report.add("kill", link, "failed GETs", lost_gets, most=0)
        report.add("kill", link, "failed POSTs (not replayed)", lost_posts)
        report.add("kill", link, "client connections closed", closed, most=0)
        report.add("kill", link, "longest gap, median of ten kills",
                   median(gaps), " ms", most=10.0, runs=gaps)


def kill_run(supd):
    run = load.Load(supd.rig, supd.address, 60)
    moments, start, pid = [], r.now_us(), None
    for number in range(10):
        r.pause_until(start + (number + 1) * 1000000)
        pid = r.wait_for("another worker", lambda last=pid: other_pid(
            supd, last), 40)
        moments.append(r.now_us())
        r.kill(pid)
    r.pause_until(r.now_us() + 1000000)
    return run.stop() + (moments,)


def other_pid(supd, last):
    status = supd.plugin_status()
    pid = status.get("pid")
    return pid if pid and pid != last else None

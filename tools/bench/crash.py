"""crash: what clients notice when versions fail or die, under 2,000 requests a
second on 32 keep-alive connections, whatever the answers do."""
import bisect
import os
import shutil

import load
import peers
import rig as r
from reload import settle
from report import median


def failures(records, post=None):
    return [x for x in records if x.outcome != load.OK
            and (post is None or x.post == post)]


def gaps_ms(records, moments, reach_us=900000):
    """The longest time without a success around each of the moments."""
    ends = sorted(x.end for x in records if x.outcome == load.OK)
    for moment in moments:
        near = ends[max(bisect.bisect(ends, moment) - 1, 0):
                    bisect.bisect(ends, moment + reach_us) + 1]
        yield max([b - a for a, b in zip(near, near[1:])],
                  default=reach_us) / 1000


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
        report.add("fail", link, "failed requests", summary["failed"])
        report.add("fail", link, "pids that served before the cure",
                   len(pids | {pid_before}))
        report.add("fail", link, "reload with the cause mended exits",
                   mended.code)


def failing_reload(supd, text):
    supd.set_version(text)
    command = supd.reload()
    if command.document().get("pluginId") != "bench":
        raise r.BenchError("no verdict: %s" % command.out)
    return command


def add_fail(report, link, exits, hangs):
    # The exit comes after the command: so this bounds what is asked for.
    report.add("fail", link, "EXIT: command to verdict",
               median([c.ms for c in exits]), " ms",
               runs=[c.ms for c in exits])
    report.add("fail", link, "HANG: verdict after the deadline",
               median([c.ms - START_TIMEOUT_MS for c in hangs]), " ms",
               runs=[c.ms - START_TIMEOUT_MS for c in hangs])
    report.add("fail", link, "verdicts that did not exit 1",
               len([c for c in exits + hangs if c.code != 1]))


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
    r.pause_until(r.now_us() + 300000)
    summary, records = run.stop()
    served = [x.pid for x in sorted(records, key=lambda x: x.end)
              if x.outcome == load.OK and x.pid]
    back = came_back and bool(served) and served[-1] == old
    return summary, records, back, max(gaps_ms(records, [command.ended]))


def add_revert(report, link, name, runs):
    report.add("revert", link, name + ": the old pid did not come back",
               len([1 for run in runs if not run[2]]))
    report.add("revert", link, name + ": failed GETs", sum(
        len(failures(run[1], post=0)) for run in runs))
    report.add("revert", link, name + ": connections closed", sum(
        run[0]["closedConnections"] for run in runs))
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
        report.add("kill", link, "failed GETs", lost_gets)
        report.add("kill", link, "failed POSTs (not replayed)", lost_posts)
        report.add("kill", link, "client connections closed", closed)
        report.add("kill", link, "longest gap, median of ten kills",
                   median(gaps), " ms", runs=gaps)


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

"""scale: memory, a thousand plugins, big packages, a thousand reloads."""
import os
import shutil
import subprocess
import time

import load
import peers
import reload
import rig as r
from report import median, percentile

MIB = 1024 * 1024


def many(supd_settings, count):
    """`count` plugins of the package bench, each under a path of its own."""
    return {"p%d" % n: {"use": "bench", "settings": dict(
        supd_settings, prefix="/p%d" % n)} for n in range(count)}


def start_many(rig, link, count, name, seconds=60):
    version = rig.write(name + ".version", "1\n")
    return peers.Supd(rig, link, name=name, ready_seconds=seconds,
                      plugins=many({"version_file": version}, count))


def touch_all(supd, count):
    """One request to each plugin, so that idle means: has served."""
    for n in range(count):
        status = peers.get_status(supd.address, "/p%d/hello" % n)
        if status != 200:
            raise r.BenchError("/p%d/hello answered %s" % (n, status))


def memory(options, report):
    """50 idle C plugins: PSS over all processes."""
    runs, dirty = {"nginx": []}, {}
    for _ in range(options.pairs):
        with r.Rig() as rig:
            runs["nginx"].append(nginx_and_programs(rig, 50))
        for link in options.links:
            with r.Rig() as rig:
                supd = start_many(rig, link, 50, "supd")
                touch_all(supd, 50)
                runs.setdefault(link, []).append(
                    r.pss_bytes(supd.pids()) / MIB)
                dirty.setdefault(link, []).append(median(
                    r.each(supd.workers(), r.dirty_bytes)) / 1024)
    report.add("memory", "-", "nginx and 50 bare C programs",
               median(runs["nginx"]), " MiB", runs=runs["nginx"])
    for link in options.links:
        report.add("memory", link, "supd and 50 idle plugins",
                   median(runs[link]), " MiB", runs=runs[link])
        report.add("memory", link, "private dirty pages of one sup-worker",
                   median(dirty[link]), " KiB", runs=dirty[link])


def wakeups_of(pid):
    with open("/proc/%d/status" % pid, encoding="latin-1") as lines:
        for line in lines:
            if line.startswith("voluntary_ctxt_switches:"):
                return int(line.split()[1])
    return 0


def idle(options, report):
    """50 idle C plugins: how often supd wakes up."""
    seconds = max(options.seconds, 20)  # two rounds of pings
    for link in options.links:
        with r.Rig() as rig:
            supd = start_many(rig, link, 50, "supd")
            touch_all(supd, 50)
            time.sleep(12)  # what follows a start is over
            before = wakeups_of(supd.process.pid)
            time.sleep(seconds)
            woke = (wakeups_of(supd.process.pid) - before) / seconds
        report.add("idle", link, "wake-ups with 50 idle plugins", woke, "/s")


def nginx_and_programs(rig, count):
    proxy = peers.nginx(rig)
    others = [rig.start("program", [r.UPSTREAM, rig.path("p%d" % n)])
              for n in range(count - 1)]
    r.wait_for("programs", lambda: all(os.path.exists(
        rig.path("p%d" % n)) for n in range(count - 1)), 10)
    peers.get_status(proxy.address, "/hello")
    return r.pss_bytes(proxy.pids() + [p.pid for p in others]) / MIB


def plugins1000(options, report):
    """1,000 plugins: start, reload, request cost, memory, threads."""
    count = options.plugins
    for link in options.links:
        starts = []
        for _ in range(options.pairs - 1):
            with r.Rig() as rig:
                starts.append(start_many(rig, link, count,
                                         "supd").ready_seconds)
        with r.Rig() as rig:
            few = start_many(rig, link, 10, "few")
            full = start_many(rig, link, count, "full")
            starts.append(full.ready_seconds)
            report.add("plugins1000", link, "start of %d plugins" % count,
                       median(starts), " s", runs=starts)
            report.add("plugins1000", link, "memory, PSS",
                       r.pss_bytes(full.pids()) / MIB, " MiB")
            report.add("plugins1000", link, "threads",
                       r.threads(full.pids()))
            compare_sizes(options, report, few, full)


def compare_sizes(options, report, few, full):
    reloads = {few: [], full: []}
    for pair in range(options.pairs):
        for n in range(5):
            for supd in (few, full)[::1 if n % 2 else -1]:
                reloads[supd].append(one_reload(supd, "p%d" % (pair + 1)))
    costs = [b / a for a, b in zip(reloads[few], reloads[full])]
    report.add("plugins1000", full.link, "reload among 10",
               median(reloads[few]), " ms", runs=reloads[few])
    report.add("plugins1000", full.link, "reload among %d" % options.plugins,
               median(reloads[full]), " ms", runs=reloads[full])
    report.add("plugins1000", full.link, "reload among %d against 10"
               % options.plugins, median(costs), "x", runs=costs)
    flat = []
    for pair in range(options.pairs):
        rates = {}
        for supd in (few, full)[::1 if pair % 2 else -1]:
            rates[supd] = load.wrk(supd.address, options.seconds,
                                   path="/p5/hello")["rps"]
        flat.append(rates[few] / rates[full])
    report.add("plugins1000", full.link, "request cost against 10 plugins",
               median(flat), "x", runs=flat)


def one_reload(supd, plugin):
    command = supd.reload(plugin)
    if command.code:
        raise r.BenchError("reload of %s: %s" % (plugin, command.out))
    return command.ms


# ---- another plugin's big package ----

def big_package(rig, size_mib=200):
    """The package bench with `size_mib` MiB beside it, called big."""
    folder = rig.path("packages", "big")
    shutil.copytree(os.path.join(r.PACKAGES, "bench"), folder)
    manifest = os.path.join(folder, "plugin.yaml")
    with open(manifest, encoding="utf-8") as old:
        text = old.read().replace("name: bench", "name: big")
    with open(manifest, "w", encoding="utf-8") as new:
        new.write(text)
    with open(os.path.join(folder, "ballast"), "wb") as ballast:
        for _ in range(size_mib):
            ballast.write(os.urandom(MIB))
    return os.path.dirname(folder)


def stage(options, report):
    """p99 of a plugin while another's 200 MiB package is reloaded. Beside it
    what a bare `cp` of the same bytes costs that plugin: the kernel's part."""
    for link in options.links:
        quiet, busy, bare, failed = [], [], [], 0
        with r.Rig() as rig:
            packages = [big_package(rig)]
            version = rig.write("big.version", "1\n")
            supd = peers.Supd(rig, link, packages=packages, plugins={
                "bench": {"settings": {"version_file": version}},
                "big": {"settings": {"version_file": version,
                                     "prefix": "/big"}}})
            for _ in range(options.pairs):
                quiet.append(stage_run(supd, None))
                busy.append(stage_run(
                    supd, lambda: one_reload(supd, "big")))
                reload.settle(supd)
                bare.append(stage_run(supd, lambda: bare_copy(rig)))
                failed += busy[-1][1]
        report.add("stage", link, "p99 without",
                   median([q[0] for q in quiet]), " ms",
                   runs=[q[0] for q in quiet])
        report.add("stage", link, "p99 while 200 MiB are staged",
                   median([b[0] for b in busy]), " ms",
                   runs=[b[0] for b in busy])
        report.add("stage", link, "p99 while a bare cp copies the same",
                   median([b[0] for b in bare]), " ms",
                   runs=[b[0] for b in bare])
        for what, runs in (("p99 against without", busy),
                           ("p99 with the bare cp against without", bare)):
            ratios = [run[0] / q[0] for run, q in zip(runs, quiet)]
            report.add("stage", link, what, median(ratios), "x", runs=ratios)
        report.add("stage", link, "the reload itself",
                   median([b[2] for b in busy]), " ms")
        report.add("stage", link, "the bare cp itself",
                   median([b[2] for b in bare]), " ms")
        report.add("stage", link, "failed requests", failed)


def bare_copy(rig):
    """Copies the big package's ballast and removes it; the ms of the copy."""
    copy, begun = rig.path("bare-copy"), r.now_us()
    subprocess.run(["cp", rig.path("packages", "big", "ballast"), copy],
                   check=True)
    took = (r.now_us() - begun) / 1000
    os.unlink(copy)
    return took


def stage_run(supd, work, seconds=6):
    """(p99 in ms, failed, ms of one work) with `work` done back to back."""
    run = load.Load(supd.rig, supd.address, 120)
    end, took = r.now_us() + seconds * 1000000, []
    while work and r.now_us() < end:
        took.append(work())
    r.pause_until(end)
    summary, records = run.stop()
    good = [x.end - x.due for x in records if x.outcome == load.OK]
    return (percentile(good, 0.99) / 1000, summary["failed"],
            median(took) if took else 0)


# ---- a thousand reloads ----

# The history keeps so many in memory, the rings of events fewer: until they are
# full, memory grows as it should.
KEPT_RECEIPTS = 2000


def soak(options, report):
    """1,000 reloads in a row: memory, descriptors, threads, files flat."""
    count = options.reloads or 1000
    for link in options.links:
        with r.Rig() as rig:
            supd = peers.Supd(rig, link)
            soak_part(supd, max(count, KEPT_RECEIPTS))
            before = snapshot(supd)
            took = soak_part(supd, count)
            after = snapshot(supd)
        report.add("soak", link, "%d reloads, one after the other" % count,
                   median(took), " ms each")
        report.add("soak", link, "growth of RSS",
                   (after["rss"] - before["rss"]) / 1024, " KiB")
        for key in ("descriptors", "threads", "children", "files"):
            report.add("soak", link, "growth of %s (from %d)" % (
                key, before[key]), after[key] - before[key])


def soak_part(supd, count):
    took = []
    for _ in range(count):
        supd.next_version()
        took.append(one_reload(supd, "bench"))
    reload.settle(supd)
    return took


def snapshot(supd):
    pid = supd.process.pid
    # A child that looks for left-overs may run: it has three for a moment.
    looks = []
    for _ in range(20):
        looks.append(r.open_files(pid))
        time.sleep(0.05)
    return {"rss": r.rss_bytes(pid), "descriptors": min(looks),
            "threads": r.threads([pid]), "children": len(supd.workers()),
            "files": r.files_in(supd.folder) + r.files_in(supd.runtime)}

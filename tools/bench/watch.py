"""watch: what it costs to watch packages, and how soon a save serves."""
import json
import os
import shutil
import socket
import time
import urllib.request

import peers
import rig as r
from report import median, percentile
from scale import touch_all, wakeups_of

PLUGINS = 50
SAVES = 20
SWEPT, FILES = 1000, 20
NO_WATCHES = "echo 0 >/proc/sys/user/max_inotify_watches && exec \"$@\""


def start(rig, link):
    """50 plugins with a package each; the file `version` in it is served."""
    for n in range(PLUGINS):
        folder = rig.path("packages", "p%d" % n)
        shutil.copytree(os.path.join(r.PACKAGES, "bench"), folder)
        with open(folder + "/plugin.yaml", encoding="utf-8") as file:
            text = file.read()
        rig.write("packages/p%d/plugin.yaml" % n,
                  text.replace("name: bench", "name: p%d" % n))
        rig.write("packages/p%d/version" % n, "0\n")
    return peers.Supd(
        rig, link, name="supd", packages=[rig.path("packages")],
        more={"reload": {"watch": True}},
        plugins={"p%d" % n: {
            "watch": True, "mount": "/p%d" % n, "namespace": "p%d" % n,
            "settings": {"version_file": rig.path(
                "packages", "p%d" % n, "version")}}
            for n in range(PLUGINS)})


def watcher_of(supd):
    for pid in supd.pids():
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            if file.read().split(b"\0")[1:2] == [b"watch"]:
                return pid
    raise r.BenchError("nothing is watched")


def bytes_read(pid):
    with open("/proc/%d/io" % pid, encoding="latin-1") as file:
        return int(file.readline().split()[1])


def modes(supd):
    document = json.loads(supd.ctl("--json", "watch", "status").out)
    return [row.get("mode") for row in document["plugins"]]


def served(supd, n):
    with urllib.request.urlopen("http://%s/p%d/hello" % (
            supd.address, n), timeout=30) as answer:
        return answer.read().decode()


def save_ms(rig, supd, n, text):
    """From the save until a request is answered by what was saved."""
    before = served(supd, n)
    began = time.monotonic()
    rig.write("packages/p%d/version" % n, text + "\n")
    r.wait_for("a reload of p%d" % n,
               lambda: served(supd, n) != before, 30)
    return (time.monotonic() - began) * 1000


def measure_link(options, report, link):
    seconds = max(options.seconds, 32)  # a check of inotify is in it
    with r.Rig() as rig:
        supd = start(rig, link)
        touch_all(supd, PLUGINS)
        r.wait_for("inotify", lambda: set(modes(supd)) == {"inotify"}, 30,
                   every=0.1)
        time.sleep(12)  # what follows a start is over
        pids = supd.process.pid, watcher_of(supd)
        before = [wakeups_of(pid) for pid in pids] + [bytes_read(pids[1])]
        time.sleep(seconds)
        after = [wakeups_of(pid) for pid in pids] + [bytes_read(pids[1])]
        for what, one, two in zip(("supd", "watching process"), before, after):
            report.add("watch", link, "wake-ups, %d watched, %s" % (
                PLUGINS, what), (two - one) / seconds, "/s")
        report.add("watch", link, "bytes read of files that stay the same",
                   after[2] - before[2], "")
        saves = [save_ms(rig, supd, n, "save") for n in range(SAVES)]
        report.add("watch", link, "save to serving, debounce 500 ms, p50",
                   median(saves), " ms", runs=saves)
        report.add("watch", link, "save to serving, debounce 500 ms, p99",
                   percentile(saves, 0.99), " ms")
        offs = [supd.ctl("watch", "off", "p%d" % n).ms for n in range(SAVES)]
        report.add("watch", link, "watch off, p50", median(offs), " ms")
        report.add("watch", link, "watch off, p99", percentile(offs, 0.99),
                   " ms", runs=offs)


def order(rig, n):
    folder = rig.path("packages", "p%d" % n)
    os.makedirs(folder)
    for i in range(FILES):
        with open("%s/file%d" % (folder, i), "w", encoding="utf-8") as file:
            file.write("content")
    return json.dumps({"watch": "p%d" % n, "roots": [folder],
                       "include": ["*"], "ignore": ["__pycache__", ".*"],
                       "debounce": 500}) + "\n"


def read_reports(reports, until):
    """Reads lines until until() of all that were read holds."""
    reports.settimeout(60)
    text, lines = b"", []
    while not until(lines):
        text += reports.recv(1 << 16)
        *whole, text = text.split(b"\n")
        lines += [json.loads(line) for line in whole]
    return lines


def has_all_modes(lines):
    modes = {line["mode"]: line["how"] for line in lines if "mode" in line}
    if "inotify" in modes.values():
        raise r.BenchError("inotify has watches left")
    return len(modes) == SWEPT


def has_change(lines):
    return any("changed" in line for line in lines)


def measure_sweep(options, report):
    """A change is saved within the time that is measured and must be found,
    which shows that sweeps took place."""
    seconds = max(options.seconds, 30)
    with r.Rig() as rig:
        orders = [order(rig, n) for n in range(SWEPT)]
        ours, its = socket.socketpair()
        with ours:
            child = rig.start("sweep", [
                "unshare", "-Ur", "sh", "-c", NO_WATCHES, "sh", r.WORKER,
                "watch"], stdout=its)
            its.close()
            ours.sendall("".join(orders).encode())
            read_reports(ours, has_all_modes)
            used, began = r.cpu_seconds([child.pid]), time.monotonic()
            time.sleep(seconds / 2)
            saved = time.monotonic()
            rig.write("packages/p%d/file0" % (SWEPT / 2), "changed")
            read_reports(ours, has_change)
            found = time.monotonic() - saved
            time.sleep(max(began + seconds - time.monotonic(), 0))
            used = ((r.cpu_seconds([child.pid]) - used) /
                    (time.monotonic() - began))
        what = "sweep of %d packages of %d files" % (SWEPT, FILES)
        report.add("watch", "*", what + ", of a core", 100 * used, " %")
        report.add("watch", "*", what + ", save to report", found, " s")


def watch(options, report):
    """Watching 50 plugins: wake-ups, reads, a save, `off`; and a sweep."""
    for link in options.links:
        measure_link(options, report, link)
    measure_sweep(options, report)

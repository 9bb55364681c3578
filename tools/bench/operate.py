"""operate: what a person with a thousand plugins waits for."""
import os
import signal

import rig as r
import scale
from report import median

STOPPED = 20  # workers that hang while status is asked for


def operate(options, report):
    """1,000 plugins: apply of one change, of none; status, workers hanging."""
    count = options.plugins
    for link in options.links:
        with r.Rig() as rig:
            supd = scale.start_many(rig, link, count, "supd")
            applies(options, report, link, supd)
            statuses(options, report, link, supd)


def checked(command, what):
    if command.code:
        raise r.BenchError("%s: exit %d: %s" % (
            what, command.code, command.out[:300]))
    return command.ms


def applies(options, report, link, supd):
    nothing, one, start = [], [], []
    for number in range(3 * options.pairs):
        plugin = "p%d" % (number + 1)
        start.append(scale.one_reload(supd, plugin))
        nothing.append(checked(supd.ctl("--json", "apply"), "apply"))
        supd.plugins[plugin]["settings"]["changed"] = number
        supd.configure()
        command = supd.ctl("--json", "apply")
        one.append(checked(command, "apply"))
        done = [receipt["pluginId"]
                for receipt in command.document()["results"]]
        if done != [plugin]:
            raise r.BenchError("apply of %s reloaded %s" % (plugin, done))
    count = len(supd.plugins)
    report.add("operate", link, "apply of nothing among %d" % count,
               median(nothing), " ms", runs=nothing)
    report.add("operate", link, "apply of one change among %d" % count,
               median(one), " ms", runs=one)
    report.add("operate", link, "beyond a reload of that plugin",
               median(one) - median(start), " ms")


def statuses(options, report, link, supd):
    calm = [checked(supd.ctl("--json", "status"), "status")
            for _ in range(5 * options.pairs)]
    hung = supd.workers()[:STOPPED]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        hanging = [checked(supd.ctl("--json", "status"), "status")
                   for _ in range(5 * options.pairs)]
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    report.add("operate", link, "status of %d plugins" % len(supd.plugins),
               median(calm), " ms", runs=calm)
    report.add("operate", link, "the same while %d workers hang" % STOPPED,
               median(hanging), " ms", runs=hanging)

"""store: what the store of messages costs, and how long it takes to answer."""
import json
import subprocess

import rig as r
from report import median

COUNT = 50000
WINDOW = 1000       # messages under way, when all are put at once
PER_SECOND = 5000   # as the reach for channels has it


def run(sync, count, *pace):
    """One run of the program `store`; its JSON object."""
    with r.Rig() as rig:
        done = subprocess.run(
            [r.STORE, r.SUPD_STORE, rig.path(), sync, str(count), str(WINDOW)]
            + [str(number) for number in pace],
            check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise r.BenchError("the store's program: exit %d: %s" % (
            done.returncode, done.stdout))
    return json.loads(done.stdout)


def store(options, report):
    """the store of messages: CPU of a message, time to `new`, both syncs."""
    seconds = max(options.seconds, 2)
    for sync in ("normal", "full"):
        many = [run(sync, COUNT) for _ in range(options.pairs)]
        paced = [run(sync, PER_SECOND * seconds, PER_SECOND)
                 for _ in range(options.pairs)]
        cpu = [row["supdUs"] + row["storeUs"] for row in many]
        late = [row["p99"] for row in paced]
        report.add("store", "-", "sync %s: CPU of a message in groups" % sync,
                   median(cpu), " us", runs=cpu)
        report.add("store", "-", "sync %s: messages/s" % sync,
                   median([row["perSecond"] for row in many]), "")
        report.add("store", "-", "sync %s: p99 to new at %d/s" % (
            sync, PER_SECOND), median(late), " ms", runs=late)
        report.add("store", "-", "sync %s: CPU of a message at %d/s" % (
            sync, PER_SECOND), median([row["supdUs"] + row["storeUs"]
                                       for row in paced]), " us")

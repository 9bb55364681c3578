"""schedules: what supd's clock costs, and how late its ticks are."""
import time

import peers
import rig as r

COUNT = 1000
PERIOD_MS = 1000


def ticks(path):
    """Due time and arrival of each tick, in milliseconds since 1970."""
    with open(path, encoding="utf-8") as lines:
        return [(int(row[1]), int(row[4]))
                for row in map(str.split, lines) if len(row) == 5]


def schedules(options, report):
    """1,000 schedules `every 1s`: lateness of ticks, supd's processor time."""
    seconds = max(options.seconds, 10)
    for link in options.links:
        with r.Rig() as rig:
            supd = peers.Supd(rig, link, name="supd", plugins={"clock": {
                "use": "clock", "settings": {
                    "when": "every 1s", "count": COUNT - 1}}})
            notes = rig.path("supd", "state", "data", "clock", "ticks")
            r.wait_for("ticks", lambda: r.os.path.exists(notes)
                       and len(ticks(notes)) >= 2 * COUNT, 30, every=0.1)
            begin, pid = time.time(), supd.process.pid
            used = r.cpu_seconds([pid])
            time.sleep(seconds)
            used = (r.cpu_seconds([pid]) - used) / (time.time() - begin)
            late = [came - due for due, came in ticks(notes)
                    if due >= begin * 1000]
        report.add("schedules", link, "supd, of one core", 100 * used, " %")
        report.add("schedules", link, "latest of %d ticks" % len(late),
                   max(late, default=float("nan")), " ms")
        report.add("schedules", link, "due times without a tick",
                   COUNT * (seconds - 1) - len(late)
                   if len(late) < COUNT * (seconds - 1) else 0, "")

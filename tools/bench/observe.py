"""observe: what /metrics and `supctl top` cost with many plugins."""
import http.client
import os
import resource
import time

import load
import rig as r
import scale
from report import median, percentile

SCRAPES = 4      # of a run, a second apart: supd makes one page a second
PICTURES = 10    # of top, two seconds apart: two rounds of pings
FEW = 50


def observe(options, report):
    """1,000 plugins: a scrape, what it costs others; `top` of 50 and 1,000."""
    for link in options.links:
        with r.Rig() as rig:
            supd = scale.start_many(rig, link, options.plugins, "many")
            scrapes(options, report, link, rig, supd)
            top(report, link, supd)
        with r.Rig() as rig:
            top(report, link, scale.start_many(rig, link, FEW, "few"))


def scrape(address):
    """(begin, end) in microseconds. The scraper yields the processor to all
    others: it is on another machine, as a rule."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        return read_page(address)
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def read_page(address):
    client = http.client.HTTPConnection(address, timeout=30)
    began = r.now_us()
    client.request("GET", "/metrics")
    answer = client.getresponse()
    answer.read()
    client.close()
    if answer.status != 200:
        raise r.BenchError("/metrics answered %d" % answer.status)
    return began, r.now_us()


def p99_ms(records, spans=None):
    """Of the requests that were in progress in one of the spans."""
    took = [(x.end - x.due) / 1000 for x in records if x.outcome == load.OK
            and (spans is None or any(x.due < end and x.end > begin
                                      for begin, end in spans))]
    return percentile(took, 0.99)


def under_load(rig, supd, with_scrapes):
    run, spans = load.Load(rig, supd.address, 120, rate=1000, connections=8,
                           post=0, any_body=True, path="/p5/hello"), []
    start = r.now_us()
    for number in range(SCRAPES):
        r.pause_until(start + (number + 1) * 1100000)
        if with_scrapes:
            spans.append(scrape(supd.address))
    r.pause_until(r.now_us() + 300000)
    return run.stop()[1], spans


def scrapes(options, report, link, rig, supd):
    took, delays = [], []
    for _ in range(options.pairs):
        quiet, _ = under_load(rig, supd, False)
        busy, spans = under_load(rig, supd, True)
        delays.append(p99_ms(busy, spans) - p99_ms(quiet))
        start = r.now_us()
        for number in range(SCRAPES):
            r.pause_until(start + (number + 1) * 1100000)
            began, ended = scrape(supd.address)
            took.append((ended - began) / 1000)
    count = len(supd.plugins)
    report.add("observe", link, "scrape of %d plugins" % count, median(took),
               " ms", runs=took)
    report.add("observe", link, "p99 of others during a scrape, beyond without",
               median(delays), " ms", runs=delays)


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def top(report, link, supd):
    """What supd uses beyond its idle use, and supctl."""
    pids = [supd.process.pid]
    before = r.cpu_seconds(pids)
    time.sleep(2 * PICTURES)
    idle = r.cpu_seconds(pids) - before
    before, own, began = r.cpu_seconds(pids), children_seconds(), r.now_us()
    command = supd.ctl("top", "-b", "-d", "2s", "-n", str(PICTURES))
    if command.code:
        raise r.BenchError("top: exit %d: %s" % (command.code,
                                                 command.out[:300]))
    seconds = (r.now_us() - began) / 1e6
    used = r.cpu_seconds(pids) - before - idle + children_seconds() - own
    report.add("observe", link, "top of %d plugins, of one core"
               % len(supd.plugins), max(used, 0) / seconds * 100, " %")

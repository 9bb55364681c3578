"""cron: calls tools, commands and methods of other plugins when they are due.

The clock is supd's: a job is a schedule, so it has one run at a time, reloads
neither skip nor double one, and `supctl schedule run NAME` runs it now."""
import time

import supd
from jobs import read
from results import Results, shorten, summary

plugin = supd.Plugin("cron", "1.0.0")
results = Results(plugin.data_dir)
configured = []
running = set()


def utc(seconds):
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + \
        ".%03dZ" % int((seconds - whole) * 1000)


def keep(job, last):
    try:
        results.add(job.name, last)
    except OSError as problem:
        plugin.log("warn", "the result of job %s cannot be kept: %s" % (
            job.name, problem))


async def run(job, tick):
    began, clock = time.time(), time.monotonic()
    last = {"tickId": tick.tick_id, "due": utc(tick.due), "at": utc(began),
            "missed": tick.missed}
    running.add(job.name)
    try:
        value = await plugin.call(job.kind, job.target, job.args, job.timeout)
        last.update(ok=True, result=summary(value))
    except supd.Error as problem:
        last.update(ok=False, error=shorten(str(problem)))
        plugin.log("error", "job %s: %s %s: %s" % (
            job.name, job.kind, job.target, problem))
        raise
    finally:
        running.discard(job.name)
        if "ok" in last:
            last["ms"] = round((time.monotonic() - clock) * 1000)
            keep(job, last)


def add(job):
    # Longer than its call, so that it is the call that ends in time.
    @plugin.schedule(job.name, job.when, zone=job.zone, catch_up=job.catch_up,
                     timeout=job.timeout + 5)
    async def tick(tick):
        await run(job, tick)


@plugin.on_start
async def start():
    configured.extend(read(plugin.settings))
    for job in configured:
        add(job)


@plugin.tool("cron-status", "How each job went last.", schema={
    "type": "object", "properties": {"name": {"type": "string"}},
    "additionalProperties": False})
async def status(args):
    rows = [dict(results.get(job.name), name=job.name, when=job.when,
                 zone=job.zone, call={job.kind: job.target},
                 running=job.name in running)
            for job in configured if args.get("name") in (None, job.name)]
    if "name" in args and not rows:
        raise supd.Error("not_found", "there is no job %r" % args["name"])
    return {"jobs": rows}


plugin.run()

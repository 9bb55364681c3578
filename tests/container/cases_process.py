"""supd as the first process: orphans, workers that die, and its end."""
import os
import re
import signal

from bed import FAULT, HELLO, Asking, Executing, Request, case, expect
from container import until


# ---- PID 1 ----

def zombies(c):
    """Processes in the container that nobody has reaped."""
    script = "grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l"
    return int(c.execute("sh", "-c", script, status=0)[1])


def kill_a_worker(c):
    """Kills fault's worker and waits for the next one."""
    before = c.plugin("fault")
    pid = str(before["pid"])
    c.execute("sh", "-c", "kill -9 " + pid, status=0)

    def is_replaced():
        now = c.plugin("fault")
        return now["state"] == "serving" and now["pid"] != before["pid"]
    until("another worker", is_replaced)


@case
def a_storm_of_orphans_is_reaped_while_requests_are_answered(bed):
    with bed.with_fault() as c:
        c.ready()
        asking = Asking(c, "/hello")
        storm = Executing(c, "/mnt/container/orphans", "5000", "1000")
        deaths = 0
        while storm.is_alive():
            kill_a_worker(c)
            c.ctl("reload", "hello")
            deaths += 1
        expect(storm.result[0] == 0, str(storm.result))
        until("no zombie is left", lambda: zombies(c) == 0)
        answers = asking.end()
        logged = sum("stream=supd" in line and "killed by signal 9" in line
                     for line in c.log)
        expect(deaths == logged > 0, "%d workers were killed, %d such ends are "
               "in the log", deaths, logged)
        expect(set(answers) == {200}, "answers: %s", answers)
        print("# %s, %d requests, slowest %.0f ms, %d workers killed" % (
            storm.result[1].strip(), answers[200], asking.slowest_s * 1e3,
            deaths))


@case
def orphans_of_workers_end_with_them(bed):
    with bed.container(HELLO.replace("hello: {}", "hello: {}, t: {use: "
                       "exec-tool, settings: {tools: [{name: t, description: d, "
                       "command: [sh, -c, 'sleep 1000 & echo done']}]}}")) \
            as c:
        c.ready()
        c.ctl("call", "tool", "t")
        c.ctl("stop", "t")
        until("no process of it is left", lambda: c.execute(
            "sh", "-c", "grep -ls sleep /proc/[0-9]*/comm")[0] != 0)
        expect(zombies(c) == 0)


@case
def a_worker_that_dies_is_replaced(bed):
    with bed.with_fault() as c:
        c.ready()
        kill_a_worker(c)
        c.get("/fault/crash")
        until("it serves again", lambda: c.get("/fault")[0] == 200)
        expect(c.get("/hello")[0] == 200)


# ---- stop ----

def in_flight(c, name):
    until("a request in flight", lambda: c.plugin(name)["inFlight"] > 0)


def stop_under(c, path):
    """Stops the container while a request to the plugin `fault` is in flight;
    (the request's answer, seconds that the stop took)."""
    c.ready()
    request = Request(c, path)
    in_flight(c, "fault")
    status, took = c.stop()
    request.join()
    expect(status == 0, "exit status %d", status)
    return request.answer, took


@case
def a_stop_answers_what_is_in_flight(bed):
    with bed.with_fault() as c:
        answer, took = stop_under(c, "/fault/slow?1500")
        expect(answer[0] == 200, "%s", answer)
        expect(c.count("shutdown timed out") == 0)
        print("# stopped in %.1f s with a request of 1.5 s" % took)


@case
def a_stop_does_not_wait_for_ever(bed):
    with bed.with_fault("settings: {mode: ignore_term}") as c:
        answer, took = stop_under(c, "/fault/hang?3600000")
        expect(answer[0] in (502, 503, 504), "%s", answer)
        print("# stopped in %.1f s with a worker that hangs" % took)


@case
def hooks_of_a_stop_use_the_time_of_the_stop(bed):
    c = bed.with_fault()
    c.configure(FAULT % "settings: {mode: ignore_term}}, it: {use: hooks, "
                "settings: {event: gateway.stopping, sleep: 60000}")
    with c:
        _, took = stop_under(c, "/fault/hang?3600000")
        expect(c.count("have not handled gateway.stopping in time") == 1)
        expect(took <= 10, "%.1f s", took)
        print("# stopped in %.1f s with a hook and a worker that hang" % took)


@case
def a_second_term_stops_at_once(bed):
    c = bed.with_fault()
    c.configure("defaults: {stop_timeout: 10m}\n" + FAULT % "")
    with c:
        c.ready()
        request = Request(c, "/fault/hang?3600000")
        in_flight(c, "fault")
        c.kill(signal.SIGTERM)
        c.logged("stopping: ")
        c.kill(signal.SIGTERM)
        expect(c.wait() == 0)
        request.join()
        expect(c.count("stopping now") == 1)


@case
def signals_before_it_is_ready_are_kept(bed):
    def blocks(c, number):
        with open("/proc/%d/status" % c.pid) as file:
            blocked = re.search(r"SigBlk:\t(\w+)", file.read())[1]
        return int(blocked, 16) >> (number - 1) & 1

    def begun(c):
        return os.readlink("/proc/%d/exe" % c.pid).endswith("/supd") and \
            (blocks(c, signal.SIGTERM) or c.count(" with 1 plugin"))

    with bed.container(HELLO) as c:
        until("supd runs", lambda: begun(c))
        c.kill(signal.SIGHUP)
        c.ready()
        c.logged("configuration applied in")
        expect(c.get("/hello")[0] == 200)
    with bed.container(HELLO) as c:
        until("supd runs", lambda: begun(c))
        c.kill(signal.SIGTERM)
        expect(c.wait() == 0)

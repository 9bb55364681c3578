"""How supd starts in a container, and what its health check says."""
import os
import re
import signal

from bed import HELLO, case, expect
from container import until, write


# ---- start ----

@case
def it_starts_from_the_image_alone(bed):
    c = bed.container(None, config_dir=bed.image["tree"] + "/etc/supd")
    with c:
        c.ready()
        expect(c.get("/readyz") == (200, "ready\n"))
        expect(c.health() == 0, "unhealthy")
        with open("/proc/%d/status" % c.pid) as file:
            status = file.read()
        expect(re.search(r"NSpid:\t\d+\t1\n", status), status)
        expect(re.search(r"Uid:\t10001\t", status), status)
        expect(re.search(r"CapEff:\t0+\n", status), status)
        expect(re.search(r"CapBnd:\t0+\n", status), status)
        expect(c.execute("touch", "/usr/x")[0] != 0, "the root is writable")
        expect(c.stop()[0] == 0)
        expect(c.count(" error ") == 0, "\n".join(filter(None, c.log)))
        expect(c.count(" warning ") == 0, "\n".join(filter(None, c.log)))


@case
def plugins_run_and_supctl_finds_supd_without_options(bed):
    with bed.container(HELLO) as c:
        c.ready()
        expect(c.get("/hello")[0] == 200)
        expect("hello" in c.ctl("status"))
        expect(c.execute("supctl", "reload", "hello", user=[0, 0])[0] == 0,
               "root may not reload")
        expect(c.execute("supctl", "reload", "hello",
                         user=[4711, 4711])[0] == 4, "another user may")
        expect(c.count("by their environment") == 1, "which way of trees?")


@case
def any_user_of_group_0_will_do(bed):
    os.makedirs(bed.folder + "/os")
    os.chown(bed.folder + "/os", 10001, 0)
    os.chmod(bed.folder + "/os", 0o770)
    with bed.container(HELLO, user=[1000650000, 0],
                       state=bed.folder + "/os") as c:
        c.ready()
        expect(c.get("/hello")[0] == 200)
        expect(c.health() == 0)
        c.ctl("reload", "hello")
        expect(c.stop()[0] == 0)


@case
def a_user_namespace_makes_no_difference(bed):
    with bed.container(HELLO, rootless=True) as c:
        c.ready()
        expect(c.get("/hello")[0] == 200)
        expect(c.health() == 0)
        expect(c.stop()[0] == 0)


@case
def variables_of_the_container_are_settings(bed):
    env = 'env: {A: "${env:GREETING}", B: "${env:NOT_SET:-a default}"}'
    with bed.with_fault(env, env={"GREETING": "Moin"}) as c:
        c.ready()
        lines = c.get("/fault/env")[1].splitlines()
        expect("A=Moin" in lines and "B=a default" in lines, str(lines))
        expect("GREETING=Moin" not in lines, "a worker has supd's variables")
    with bed.container(HELLO.replace("hello: {}", "hello: {%s}" % env)) as c:
        expect(c.wait() == 1)
        expect(c.count("environment variable 'GREETING' is not set") == 1)


@case
def the_configuration_may_be_elsewhere(bed):
    write(bed.folder + "/own/own.yaml", HELLO)
    with bed.container(None, env={"SUPD_CONFIG": "/mnt/own.yaml"},
                       binds={"/mnt": [bed.folder + "/own", True]}) as c:
        c.ready()
        expect(c.get("/hello")[0] == 200)
    with bed.container("nonsense: 1\n", args=["--check"]) as c:
        expect(c.wait() == 1)
        expect(c.count("supd.yaml:1:1: ") == 1, str(c.log))


@case
def a_quota_of_processors_is_respected(bed):
    write(bed.folder + "/sys/fs/cgroup/cpu.max", "50000 100000\n")
    with bed.container(HELLO, binds={
            "/sys": [bed.folder + "/sys", True]}) as c:
        c.ready()
        if len(os.sched_getaffinity(0)) > 1:
            c.logged("limited to 1 of ")


# ---- health ----

@case
def health_follows_what_is_required(bed):
    broken = HELLO.replace("hello: {}", "hello: {}, more: {use: exec-tool, "
                           "required: true}")
    with bed.container(HELLO) as c:
        c.ready()
        expect(c.health() == 0)
        c.configure(broken)
        c.ctl("apply", status=1)
        expect(c.health() == 1, "healthy without a required plugin")
        expect("waiting for more" in c.execute(
            *c.image["healthcheck"]["command"])[1])
        expect(c.get("/readyz")[0] == 503)
        expect(c.get("/livez")[0] == 200)
        expect(c.get("/hello")[0] == 200)
        c.configure(HELLO)
        c.ctl("apply")
        expect(c.health() == 0)
    with bed.container(broken) as c:
        until("/readyz says no", lambda: c.get("/readyz")[0] == 503)
        expect(c.health() == 1)


@case
def health_fails_while_supd_hangs(bed):
    with bed.container(HELLO) as c:
        c.ready()
        c.kill(signal.SIGSTOP)
        expect(c.health() not in (0, None), "healthy while it hangs")
        c.kill(signal.SIGCONT)
        until("healthy again", lambda: c.health() == 0)

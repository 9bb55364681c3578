"""Changes of the configuration, and volumes that outlive a container."""
import os
import shutil
import signal

from bed import FAULT, HELLO, case, expect
from container import Container, until, write


# ---- configuration ----

@case
def hup_applies_the_configuration(bed):
    with bed.container(HELLO) as c:
        c.ready()
        c.configure(HELLO.replace("hello: {}", "hello: {}, more: {use: hello,"
                                  " mount: /more, namespace: more}"))
        c.kill(signal.SIGHUP)
        until("the plugin is there", lambda: c.get("/more/hello")[0] == 200)
        write(c.config + "/supd.yaml", "nonsense: [\n")
        c.kill(signal.SIGHUP)
        c.logged("configuration not applied")
        expect(c.get("/more/hello")[0] == 200)


class Volume:
    """A ConfigMap as the kubelet writes it: files are links into ..data, which
    is a link that is replaced by a rename."""

    def __init__(self, folder):
        self.folder, self.number = folder, 0
        os.makedirs(folder, exist_ok=True)

    def write(self, files):
        self.number += 1
        old = os.path.realpath(self.folder + "/..data")
        fresh = "..2026_11_30_%d" % self.number
        for name, text in files.items():
            write("%s/%s/%s" % (self.folder, fresh, name), text)
            if not os.path.islink("%s/%s" % (self.folder, name)):
                os.symlink("..data/" + name, "%s/%s" % (self.folder, name))
        os.symlink(fresh, self.folder + "/..data_tmp")
        os.rename(self.folder + "/..data_tmp", self.folder + "/..data")
        if self.number > 1:
            shutil.rmtree(old)


@case
def a_configmap_that_is_swapped_is_noticed(bed):
    def files(n):
        return {"supd.yaml": FAULT % (
            'env: {N: "%d", SECRET: "${file:secret}"}' % n),
                "secret": "s%d\n" % n}

    def is_in_force(n):
        lines = c.get("/fault/env")[1].splitlines()
        return "N=%d" % n in lines and "SECRET=s%d" % n in lines

    c = bed.with_fault(args=["--watch"])
    os.unlink(c.config + "/supd.yaml")
    volume = Volume(c.config)
    volume.write(files(0))
    with c:
        c.ready()
        until("it is watched", lambda: "inotify" in c.ctl("watch", "status")
              or "sweep" in c.ctl("watch", "status"))
        for n in range(1, 101):
            volume.write(files(n))
        until("the last one is in force", lambda: is_in_force(100))
        passes = c.count("configuration applied in")
        expect(1 <= passes <= 20, "%d passes for 100 swaps", passes)
        print("# %d passes for 100 swaps" % passes)
        volume.write(dict(files(101), **{"supd.yaml": "nonsense: [\n"}))
        c.logged("configuration not applied")
        volume.write(files(102))
        until("the good one after a bad one", lambda: is_in_force(102))


# ---- volumes ----

@case
def the_state_outlives_the_container(bed):
    with bed.container(HELLO.replace("hello: {}", "hello: {}, off: {use: "
                       "hello, mount: /off, namespace: off}")) as c:
        c.ready()
        c.ctl("reload", "hello")
        c.ctl("disable", "off")
        before = c.plugin("hello")["generation"]
        expect(c.stop()[0] == 0)
    with bed.container(None) as c:
        c.ready()
        expect(c.plugin("hello")["generation"] > before)
        expect(c.plugin("off")["state"] == "disabled")
        expect("r-1" in c.ctl("history"))


@case
def what_a_killed_supd_left_prevents_no_start(bed):
    """The next one has the same volumes and the same pid, 1."""
    run_dir = bed.folder + "/run"
    os.makedirs(run_dir)
    os.chmod(run_dir, 0o1777)
    for _ in range(3):
        with bed.container(HELLO, binds={"/run/supd": [run_dir, False]}) as c:
            c.ready()
            expect(c.get("/hello")[0] == 200)
            expect(os.path.exists(run_dir + "/control.sock"))
            with open(run_dir + "/lock") as file:
                expect(file.read() == "1\n", "the lock names another pid")
            c.destroy()


@case
def two_at_one_volume_are_refused(bed):
    with bed.container(HELLO) as one:
        one.ready()
        other = Container(bed.image, bed.folder + "/2", state=one.state)
        with other.configure(HELLO):
            expect(other.wait() == 1)
            expect(other.count("/var/lib/supd belongs to another supd, in another") == 1,
                   "%s", other.log)
        expect(one.get("/hello")[0] == 200)


@case
def a_state_that_cannot_be_written_is_a_plain_error(bed):
    foreign = bed.folder + "/foreign"
    os.makedirs(foreign)
    os.chmod(foreign, 0o755)
    with bed.container(HELLO, state=foreign) as c:
        expect(c.wait() == 1)
        expect(c.count("cannot write to /var/lib/supd as user 10001, group 0: "
                       "Permission denied") == 1, "%s", c.log)
    with bed.container(HELLO, state_ro=True) as c:
        expect(c.wait() == 1)
        expect(c.count("cannot write to /var/lib/supd as user 10001, group 0: "
                       "Read-only file system") == 1, "%s", c.log)

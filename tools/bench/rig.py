"""rig: a private folder, the processes that a measurement starts in it, and
what /proc tells of them. Ends what it started and nothing else."""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("SUPD_BUILD",
                                       os.path.join(ROOT, "build")))
LOAD = os.path.join(BUILD, "tools/bench/load")
SESSIONS = os.path.join(BUILD, "tools/bench/sessions")
UPSTREAM = os.path.join(BUILD, "tools/bench/upstream")
STORE = os.path.join(BUILD, "tools/bench/store")
SUPD_STORE = os.path.join(BUILD, "supervisor/channel/store/supd-store")
HELD = os.path.join(BUILD, "tools/bench/held")
SUPD = os.path.join(BUILD, "supervisor/supd")
SUPCTL = os.path.join(BUILD, "tools/supctl/supctl")
WORKER = os.path.join(BUILD, "worker/sup-worker")
PACKAGES = os.path.join(BUILD, "tests/plugins")
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A measurement could not be made; the text says why."""


def now_us():
    """The clock of the load generator's log: CLOCK_MONOTONIC."""
    return time.monotonic_ns() // 1000


def pause_until(when_us):
    """Keeps a cadence; waiting for something to happen is `wait_for`."""
    left = when_us - now_us()
    if left > 0:
        time.sleep(left / 1e6)


def wait_for(what, question, seconds, every=0.002):
    """Asks until the answer is true; fails naming what did not come."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise BenchError("%s: not within %g s" % (what, seconds))
        time.sleep(every)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rig:
    """The private folder and the processes in it; use it with `with`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="supd-bench-")
        # Where sockets are: a tmpfs, as /run is where supd is installed.
        self.runtime = tempfile.mkdtemp(prefix="supd-bench-", dir=(
            "/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.processes = []
        os.chmod(self.folder, 0o755)
        os.chmod(self.runtime, 0o755)
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        """Replaces the file as a whole, so that no reader sees a half."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(path + ".new", path)
        return path

    def start(self, name, command, **more):
        """Starts a process whose output goes to NAME.log in the folder."""
        with open(self.path(name + ".log"), "ab") as log:
            more.setdefault("stdout", log)
            more.setdefault("stderr", log)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       **more)
        process.name = name
        self.processes.append(process)
        return process

    def tail(self, name, lines=15):
        try:
            with open(self.path(name + ".log"), errors="replace",
                      encoding="utf-8") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def stop(self, process, seconds=15):
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        for process in reversed(list(self.processes)):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.runtime, ignore_errors=True)


def stat_fields(pid):
    with open("/proc/%d/stat" % pid, encoding="latin-1") as stat:
        return stat.read().rpartition(")")[2].split()


def tree(pid):
    """pid and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(stat_fields(int(name))[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead.extend(children.get(one, ()))
    return found


def each(pids, read):
    """What `read` says of every process that still lives."""
    said = []
    for pid in pids:
        try:
            said.append(read(pid))
        except (OSError, IndexError):
            pass
    return said


def cpu_seconds(pids):
    return sum(each(pids, lambda pid: sum(
        int(f) for f in stat_fields(pid)[11:13]))) / TICKS


def memory_of(pid, file, field):
    with open("/proc/%d/%s" % (pid, file), encoding="latin-1") as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def pss_bytes(pids):
    return sum(each(pids, lambda pid: memory_of(
        pid, "smaps_rollup", "Pss:")))


def dirty_bytes(pid):
    """Pages that the process has written and shares with nobody."""
    return memory_of(pid, "smaps_rollup", "Private_Dirty:")


def rss_bytes(pid):
    return memory_of(pid, "status", "VmRSS:")


def threads(pids):
    return sum(each(pids, lambda pid: int(stat_fields(pid)[17])))


def open_files(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def files_in(folder):
    return sum(len(files) + len(folders)
               for _, folders, files in os.walk(folder))


def kill(pid):
    os.kill(pid, signal.SIGKILL)

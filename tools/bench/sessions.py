"""sessions: ten thousand sessions at /ws that are open and subscribed."""
import hashlib
import subprocess

import peers
import rig as r
from report import median

TOKEN = "bench"
COUNT = 10000


class Clients:
    """The program `sessions`, which holds them all."""

    def __init__(self, rig, address, count):
        self.process = subprocess.Popen(
            [r.SESSIONS, address, TOKEN, str(count)], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.name = "sessions"
        rig.processes.append(self.process)
        self.hear("open")

    def hear(self, word):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != word:
            raise r.BenchError("the sessions said %r" % line)
        return int(line[1])

    def ask(self, command, word):
        self.process.stdin.write(command + "\n")
        return self.hear(word)


def configuration(count):
    return {
        "admin": {"tokens": [{
            "name": "bench", "role": "operator",
            "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}]},
        "limits": {"connections": count + 100},
        # one address would get half of the places
        "trusted_proxies": ["127.0.0.1"],
    }


def sessions(options, report):
    """10,000 sessions: KiB each, time of an event to all, 100 reloads."""
    count = COUNT if options.plugins >= 1000 else 1000
    sizes, times, closed = [], [], []
    reloads = options.reloads or 100
    for _ in range(options.pairs):
        with r.Rig() as rig:
            supd = peers.Supd(rig, "native", more=configuration(count))
            before = r.dirty_bytes(supd.process.pid)
            clients = Clients(rig, supd.address, count)
            clients.ask("emit", "all")
            sizes.append((r.dirty_bytes(supd.process.pid) - before)
                         / count / 1024)
            times.extend(clients.ask("emit", "all") / 1000
                         for _ in range(10))
            for _ in range(reloads):
                supd.next_version()
                done = supd.reload()
                if done.code:
                    raise r.BenchError("a reload failed: %s" % done.out)
            clients.ask("emit", "all")
            closed.append(clients.ask("closed", "closed"))
    report.add("sessions", "-", "memory of supd for each of %d" % count,
               median(sizes), " KiB", runs=sizes)
    report.add("sessions", "-", "an event to all of %d" % count,
               median(times), " ms", runs=times)
    report.add("sessions", "-", "closed over %d reloads" % reloads,
               max(closed), "", runs=closed)

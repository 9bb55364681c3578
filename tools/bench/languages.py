"""languages: Python and Node plugins beside bare programs of the same language:
requests a second, and what a reload costs over the interpreter's own start."""
import os
import shutil
import subprocess
import time

import load
import peers
import rig as r
from report import median
from speed import ratios, rounds

HERE = os.path.dirname(os.path.abspath(__file__))
# name: the program, its shortest life, its bare server
LANGUAGES = {
    "python": ("python3", ["-c", "pass"], "bare_python.py"),
    "node": ("node", ["-e", "0"], "bare_node.js"),
}


class Bare:
    """A program of the language alone on a port of its own."""

    def __init__(self, rig, language):
        program, _, script = LANGUAGES[language]
        self.name = "bare-" + language
        self.address = "127.0.0.1:%d" % r.free_port()
        self.process = rig.start(self.name, [
            program, os.path.join(HERE, script), self.address.split(":")[1]])
        r.wait_for(self.name, lambda: peers.accepts(self.address), 10)


def start_ms(language):
    """The interpreter's own start and end, in ms."""
    program, words, _ = LANGUAGES[language]
    began = time.monotonic()
    subprocess.run([program] + words, check=True)
    return (time.monotonic() - began) * 1000


def languages(options, report):
    """Python and Node plugins: requests/s and reloads, beside bare ones."""
    for language, (program, _, _) in LANGUAGES.items():
        if not shutil.which(program):
            raise r.BenchError("%s is not installed" % program)
        package = "bench-" + language
        with r.Rig() as rig:
            bare = Bare(rig, language)
            supd = peers.Supd(rig, "nng", name="supd", plugins={package: {}})
            speed_of(options, report, language, bare, supd)
            reloads_of(options, report, language, supd, package)


def speed_of(options, report, language, bare, supd):
    servers = [bare, supd]
    for server in servers:
        load.wrk(server.address, 1)
    results = rounds(servers, options.pairs, lambda server: load.wrk(
        server.address, options.seconds))
    for server in servers:
        runs = [run["rps"] for run in results[server.name]]
        report.add("languages", language, server.name + " requests/s",
                   median(runs), runs=runs)
    runs = ratios(results, "supd", bare.name, "rps")
    report.add("languages", language, "requests/s against a bare server",
               median(runs), "x", runs=runs)
    report.add("languages", language, "answers that were no 200",
               sum(run["errors"] for run in results["supd"]))


def reloads_of(options, report, language, supd, package):
    starts, took = [], []
    for _ in range(10 * options.pairs):
        starts.append(start_ms(language))
        command = supd.reload(package)
        if command.code:
            raise r.BenchError("reload of %s: %s" % (package, command.out))
        took.append(command.ms)
    report.add("languages", language, "the interpreter's own start",
               median(starts), " ms", runs=starts)
    report.add("languages", language, "command to new version",
               median(took), " ms", runs=took)
    report.add("languages", language, "beyond the interpreter's start",
               median(took) - median(starts), " ms")

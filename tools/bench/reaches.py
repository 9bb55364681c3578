"""reaches: what each figure has to reach, all of them in one table. A row of a
run is judged by the first reach whose figure, link and pattern fit it; a reach
that no row of its figure fits is reported as not measured, so that a figure
cannot drop out unseen."""
import collections
import fnmatch

Reach = collections.namedtuple("Reach", "figure link what sign value")

AT_MOST, AT_LEAST = "<=", ">="
BOTH, ANY = ("nng", "native"), ("*",)


def table(*rows):
    """Rows of (figure, links, what, sign, value), one reach per link."""
    return [Reach(figure, link, what, sign, value)
            for figure, links, what, sign, value in rows for link in links]


REACHES = table(
    ("throughput", ("nng",), "requests/s against nginx", AT_LEAST, 1.15),
    ("throughput", ("native",), "requests/s against nginx", AT_LEAST, 1.4),
    ("throughput", BOTH, "CPU per request against nginx", AT_MOST, 1.0),
    ("throughput", BOTH, "answers that were no 200", AT_MOST, 0),
    ("latency", ("nng",), "median against nginx", AT_MOST, 2.2),
    ("latency", ("native",), "median against nginx", AT_MOST, 1.1),
    ("hooks", BOTH, "requests/s beside an observer of other events",
     AT_LEAST, 0.95),
    ("hooks", BOTH, "fan-out to 20 observers against one", AT_MOST, 2.0),
    ("hooks", BOTH, "call through 3 filters against one call", AT_MOST, 3.5),
    ("reload", BOTH, "reloads that exited other than 0", AT_MOST, 0),
    ("reload", BOTH, "failed requests", AT_MOST, 0),
    ("reload", BOTH, "client connections closed", AT_MOST, 0),
    ("reload", BOTH, "answers of the old version after the verdict",
     AT_MOST, 0),
    ("reload", BOTH, "p99.9 against the control run", AT_MOST, 1.3),
    ("reload", BOTH, "command to new version, p50", AT_MOST, 5.0),
    ("reload", BOTH, "command to new version, p99", AT_MOST, 30.0),
    ("fail", BOTH, "EXIT: command to verdict", AT_MOST, 50.0),
    ("fail", BOTH, "HANG: verdict after the deadline", AT_MOST, 50.0),
    ("fail", BOTH, "verdicts that did not exit 1", AT_MOST, 0),
    ("fail", BOTH, "failed requests", AT_MOST, 0),
    ("fail", BOTH, "pids that served before the cure", AT_MOST, 1),
    ("fail", BOTH, "reload with the cause mended exits", AT_MOST, 0),
    ("revert", BOTH, "exit_after_swap: the old pid did not come back",
     AT_MOST, 0),
    ("revert", BOTH, "exit_after_swap: failed GETs", AT_MOST, 0),
    ("revert", BOTH, "exit_after_swap: connections closed", AT_MOST, 0),
    ("revert", BOTH, "kill after the swap: the old pid did not come back",
     AT_MOST, 0),
    ("revert", BOTH, "kill after the swap: failed GETs", AT_MOST, 0),
    ("revert", BOTH, "kill after the swap: connections closed", AT_MOST, 0),
    ("kill", BOTH, "failed GETs", AT_MOST, 0),
    ("kill", BOTH, "client connections closed", AT_MOST, 0),
    ("kill", BOTH, "longest gap, median of ten kills", AT_MOST, 10.0),
    ("sessions", ANY, "memory of supd for each of *", AT_MOST, 12),
    ("sessions", ANY, "an event to all of *", AT_MOST, 150),
    ("sessions", ANY, "closed over * reloads", AT_MOST, 0),
    ("takeover", BOTH, "interruption, p50", AT_MOST, 50.0),
    ("takeover", BOTH, "interruption, p99", AT_MOST, 200.0),
    ("takeover", BOTH, "* held requests released", AT_MOST, 100.0),
    ("wspath", ("native",), "echoes/s against nginx", AT_LEAST, 0.8),
    ("wspath", BOTH, "the same against a request", AT_MOST, 1.5),
    ("wspath", BOTH, "pause of * connections at a reload", AT_MOST, 100),
    ("memory", ("nng",), "supd and 50 idle plugins", AT_MOST, 30),
    ("memory", ("native",), "supd and 50 idle plugins", AT_MOST, 15),
    ("idle", BOTH, "wake-ups with 50 idle plugins", AT_MOST, 2),
    ("plugins1000", BOTH, "start of * plugins", AT_MOST, 5.0),
    ("plugins1000", BOTH, "reload among * against 10", AT_MOST, 1.5),
    ("plugins1000", BOTH, "request cost against 10 plugins", AT_MOST, 1.1),
    ("operate", BOTH, "beyond a reload of that plugin", AT_MOST, 100),
    ("operate", BOTH, "status of * plugins", AT_MOST, 20),
    ("operate", BOTH, "the same while * workers hang", AT_MOST, 20),
    ("observe", BOTH, "scrape of * plugins", AT_MOST, 50),
    ("observe", BOTH, "p99 of others during a scrape*", AT_MOST, 2.0),
    ("observe", BOTH, "top of * plugins, of one core", AT_MOST, 1.0),
    ("stage", BOTH, "p99 against without", AT_MOST, 1.2),
    ("stage", BOTH, "failed requests", AT_MOST, 0),
    ("soak", BOTH, "growth of RSS", AT_MOST, 256),
    ("soak", BOTH, "growth of descriptors*", AT_MOST, 0),
    ("soak", BOTH, "growth of threads*", AT_MOST, 0),
    ("soak", BOTH, "growth of children*", AT_MOST, 0),
    ("soak", BOTH, "growth of files*", AT_MOST, 0),
    ("schedules", BOTH, "supd, of one core", AT_MOST, 3),
    ("schedules", BOTH, "latest of *", AT_MOST, 50),
    ("schedules", BOTH, "due times without a tick", AT_MOST, 0),
    ("store", ANY, "*: CPU of a message in groups", AT_MOST, 15),
    ("store", ANY, "sync normal: p99 to new at *", AT_MOST, 20),
    ("channel", BOTH, "*: p99 to new", AT_MOST, 20.0),
    ("channel", BOTH, "*: reloads that failed", AT_MOST, 0),
    ("channel", BOTH, "*: not accounted for", AT_MOST, 0),
    ("channel", BOTH, "*: doubled", AT_MOST, 0),
    ("channel", BOTH, "*: out of order in their lane", AT_MOST, 0),
    ("channel", BOTH, "* held messages released", AT_MOST, 200.0),
    ("channel", BOTH, "interruption of a channel, p50", AT_MOST, 200.0),
    ("sse", BOTH, "events/s that arrived", AT_LEAST, 9500.0),
    ("sse", BOTH, "supd, of one core", AT_MOST, 25),
    ("download", BOTH, "static against nginx", AT_LEAST, 0.8),
    ("download", BOTH, "made up by the plugin against nginx", AT_LEAST, 0.8),
    ("echo", BOTH, "growth of supd's RSS", AT_MOST, 4),
    ("echo", BOTH, "growth of a worker's RSS", AT_MOST, 4),
    ("echo", BOTH, "p99 of others against without", AT_MOST, 1.5),
    ("languages", ANY, "requests/s against a bare server", AT_LEAST, 0.8),
    ("languages", ANY, "answers that were no 200", AT_MOST, 0),
    ("languages", ANY, "beyond the interpreter's start", AT_MOST, 15),
    ("watch", BOTH, "wake-ups, * watched, *", AT_MOST, 2),
    ("watch", BOTH, "bytes read of files that stay the same", AT_MOST, 0),
    ("watch", BOTH, "save to serving, debounce 500 ms, p50", AT_MOST, 700),
    ("watch", BOTH, "watch off, p99", AT_MOST, 100),
    ("watch", ANY, "sweep of * packages of * files, of a core", AT_MOST, 1),
    ("telemetry", BOTH, "requests/s at 1 %", AT_LEAST, 0.97),
    ("telemetry", BOTH, "requests/s at 100 %", AT_LEAST, 0.85),
    ("telemetry", BOTH, "requests/s at 1 % without a collector",
     AT_LEAST, 0.97),
    ("today", ANY, "supd reload: failed*", AT_MOST, 0),
    ("today", ANY, "supd reload: client connections closed", AT_MOST, 0),
)


def fits(reach, figure, link, what):
    return reach.figure == figure and fnmatch.fnmatchcase(link, reach.link) \
        and fnmatch.fnmatchcase(what, reach.what)


def find(figure, link, what):
    """The reach of a row, None: it is only reported."""
    return next((reach for reach in REACHES
                 if fits(reach, figure, link, what)), None)


def is_met(reach, value):
    """No number, no reach: NaN misses."""
    if reach.sign == AT_LEAST:
        return value >= reach.value
    return value <= reach.value


def unmeasured(rows, figures, links):
    """The reaches of these figures and links that no row fits."""
    return [reach for reach in REACHES
            if reach.figure in figures and reach.link in set(links) | {"*"}
            and not any(fits(reach, row["figure"], row["link"], row["what"])
                        for row in rows)]

"""report: rows of figures, what they ought to reach, printed and kept."""
import datetime
import json
import os
import platform
import re
import statistics

import reaches
import rig as r


def median(values):
    return statistics.median(values) if values else float("nan")


def percentile(values, share):
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def spread(values):
    """Lowest and highest, so that a median does not hide its runs."""
    return "%s..%s" % (number(min(values)), number(max(values)))


def number(value):
    if isinstance(value, float):
        return ("%.0f" if abs(value) >= 1000 else "%.3g") % value
    return str(value)


VERDICT = "%-12s %-7s %-52s %12s  %-9s %s"


def reach_text(reach):
    return "%s %s" % (reach.sign, number(reach.value)) if reach else ""


class Report:
    """Rows (figure, link, what, value, reach, met); `met` None: no
    reach."""

    def __init__(self):
        self.rows = []
        self.began = datetime.datetime.now().astimezone()
        self.load = os.getloadavg()[0]
        if self.load > 0.5:
            print("note: the machine is busy already, load average %.1f; "
                  "times will say so" % self.load)

    def add(self, figure, link, what, value, unit="", runs=None):
        reach = reaches.find(figure, link, what)
        row = {"figure": figure, "link": link, "what": what, "value": value,
               "unit": unit, "reach": reach_text(reach),
               "met": reach and reaches.is_met(reach, value),
               "runs": runs or []}
        self.rows.append(row)
        print(self.line(row), flush=True)

    @staticmethod
    def cells(row):
        runs = row["runs"]
        return [row["figure"], row["link"], row["what"],
                "%s%s" % (number(row["value"]), row["unit"]),
                spread(runs) if len(runs) > 1 else "", row["reach"],
                {None: "", True: "yes", False: "NO"}[row["met"]]]

    def line(self, row):
        return "%-12s %-7s %-52s %12s  %-16s %-9s %s" % tuple(
            self.cells(row))

    def print_table(self, figures, links):
        """All rows again where there are several figures; then every reach
        beside what was measured. Gives (reaches missed, not measured)."""
        if len({row["figure"] for row in self.rows}) > 1:
            self.print_rows()
        judged = [row for row in self.rows if row["met"] is not None]
        absent = reaches.unmeasured(self.rows, figures, links)
        missed = [row for row in judged if not row["met"]]
        print()
        print(VERDICT % ("figure", "link", "what", "value", "reach", ""))
        for row in judged:
            cells = self.cells(row)
            print(VERDICT % (*cells[:4], cells[5],
                             "ok" if row["met"] else "MISSED"))
        for reach in absent:
            print(VERDICT % (reach.figure, reach.link, reach.what, "-",
                             reach_text(reach), "NOT MEASURED"))
        print("\n%d reaches: %d ok, %d missed, %d not measured" % (
            len(judged) + len(absent), len(judged) - len(missed),
            len(missed), len(absent)))
        return len(missed), len(absent)

    def print_rows(self):
        print()
        print("%-12s %-7s %-52s %12s  %-16s %-9s %s" % (
            "figure", "link", "what", "value", "lowest..highest", "reach",
            "met"))
        for row in self.rows:
            print(self.line(row))

    def save(self, folder, command):
        """DATE-MACHINE-FIGURES.md and .json; gives the first one's path."""
        figures = list(dict.fromkeys(row["figure"] for row in self.rows))
        name = "-".join([self.began.strftime("%Y-%m-%d-%H%M"),
                         re.sub(r"\W+", "", cpu_model()).lower()[:16]]
                        + (figures if len(figures) == 1 else []))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name)
        with open(path + ".json", "w", encoding="utf-8") as out:
            json.dump({"date": self.began.isoformat(timespec="seconds"),
                       "machine": self.machine(), "command": command,
                       "rows": self.rows}, out, indent=1)
            out.write("\n")
        with open(path + ".md", "w", encoding="utf-8") as out:
            out.write("# %s\n\n`%s`\n\n" % (
                self.began.strftime("%Y-%m-%d %H:%M %Z"), command))
            for key, value in self.machine().items():
                out.write("- %s: %s\n" % (key, value))
            out.write("\n| figure | link | what | value | lowest..highest "
                      "| reach | met |\n|---|---|---|---|---|---|---|\n")
            for row in self.rows:
                out.write("| %s |\n" % " | ".join(self.cells(row)))
        return path + ".md"

    def machine(self):
        """What a reader needs to compare two result files."""
        with open("/proc/meminfo", encoding="utf-8") as lines:
            memory = int(lines.readline().split()[1]) // 1024
        system = platform.freedesktop_os_release().get("PRETTY_NAME")
        return {"processor": "%s, %d CPUs" % (cpu_model(), os.cpu_count()),
                "memory": "%d MiB" % memory,
                "kernel": platform.release(),
                "system": system,
                "build type": buildtype(),
                "load average before": "%.1f" % self.load}


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def buildtype():
    try:
        path = os.path.join(r.BUILD, "meson-info/intro-buildoptions.json")
        with open(path, encoding="utf-8") as options:
            return next(o["value"] for o in json.load(options)
                        if o["name"] == "buildtype")
    except (OSError, StopIteration):
        return "unknown"

"""What the settings of cron mean, which are refused, and what is kept of a
run."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "plugins/cron"))
import jobs  # noqa: E402
import results  # noqa: E402

CALL = {"tool": "t"}


class Settings(unittest.TestCase):
    def test_each_is_read(self):
        both = jobs.read({"jobs": [
            {"name": "a", "when": "every 5s", "call": CALL},
            {"name": "b.2", "when": "0 3 * * *", "zone": "Europe/Berlin",
             "timeout": "90s", "catch_up": "none",
             "call": {"command": "c", "args": "x y"}}]})
        a, b = both
        self.assertEqual((a.kind, a.target, a.args), ("tool", "t", None))
        self.assertEqual((a.zone, a.catch_up, a.timeout), (None, "one", 60))
        self.assertEqual((b.kind, b.target, b.args), ("command", "c", "x y"))
        self.assertEqual((b.zone, b.catch_up, b.timeout),
                         ("Europe/Berlin", "none", 90))
        self.assertEqual(jobs.read({"jobs": []}), [])
        for value, seconds in (("5ms", .005), ("2m", 120), (1.5, 1.5)):
            self.assertAlmostEqual(jobs.seconds(value), seconds)

    def test_what_makes_no_sense_is_named(self):
        job = {"name": "a", "when": "@daily", "call": CALL}
        for change, says in (
                ({"name": "a b"}, "name must be 1 to 64"),
                ({"name": "../a"}, "name must be 1 to 64"),
                ({"name": 1}, "(1): name must be"),
                ({"when": ""}, "(a): when must be a string"),
                ({"zone": 1}, "zone must be a string"),
                ({"every": 1}, "unknown key every in a job"),
                ({"timeout": "soon"}, "timeout must be a time"),
                ({"timeout": "25h"}, "timeout must be a time"),
                ({"timeout": True}, "timeout must be a time"),
                ({"catch_up": "all"}, "catch_up must be one or none"),
                ({"call": "t"}, "call must be a map"),
                ({"call": {}}, "call must name a tool, a command"),
                ({"call": {"tool": "t", "method": "m"}}, "call must name"),
                ({"call": {"tool": ["t"]}}, "call.tool must be a string"),
                ({"call": {"tool": "t", "arg": 1}}, "unknown key arg in call"),
                ({"call": {"command": "c", "args": {}}},
                 "call.args of a command must be a string")):
            with self.assertRaises(ValueError) as raised:
                jobs.read({"jobs": [dict(job, **change)]})
            self.assertIn("jobs: number 1 (", str(raised.exception))
            self.assertIn(says, str(raised.exception))
        for settings, says in (
                ([], "the settings must be a map"),
                ({}, "jobs must be a list"),
                ({"jobs": {}}, "jobs must be a list"),
                ({"job": []}, "unknown key job in the settings"),
                ({"jobs": [1]}, "number 1 (no name): a job must be a map"),
                ({"jobs": [{"name": "a"}]}, "(a): when is missing"),
                ({"jobs": [job, job]}, "number 2 (a): there are two"),
                ({"jobs": [job] * 501}, "more than 500 jobs")):
            with self.assertRaises(ValueError) as raised:
                jobs.read(settings)
            self.assertIn(says, str(raised.exception))


class Kept(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_the_last_run_is_kept(self):
        first = results.Results(self.folder.name)
        self.assertEqual(first.get("a"),
                         {"runs": 0, "failed": 0, "last": None})
        first.add("a", {"ok": True, "result": 1})
        first.add("a", {"ok": False, "error": "x"})
        self.assertEqual(results.Results(self.folder.name).get("a"), {
            "runs": 2, "failed": 1, "last": {"ok": False, "error": "x"}})
        self.assertEqual(first.get("b")["runs"], 0)

    def test_what_is_damaged_begins_anew(self):
        kept = results.Results(self.folder.name)
        kept.add("a", {"ok": True})
        for text in "", "{", "[]", '{"runs": "x", "failed": 0, "last": 0}':
            with open(kept.folder + "/a.json", "w", encoding="utf-8") as file:
                file.write(text)
            self.assertEqual(kept.get("a")["runs"], 0)

    def test_what_the_disk_refuses_is_in_memory(self):
        kept = results.Results(self.folder.name)
        with open(kept.folder, "w", encoding="utf-8"):
            pass  # a file where the folder should be
        for runs in 1, 2:
            with self.assertRaises(OSError):
                kept.add("a", {"ok": True})
            self.assertEqual(kept.get("a")["runs"], runs)
        os.unlink(kept.folder)
        kept.add("a", {"ok": True})
        self.assertEqual(kept.get("a")["runs"], 3)
        self.assertEqual(kept.unwritten, {})

    def test_long_results_are_cut(self):
        self.assertEqual(results.summary({"a": [1]}), {"a": [1]})
        self.assertEqual(len(results.summary(["x" * 100000])), 4097)


if __name__ == "__main__":
    unittest.main()

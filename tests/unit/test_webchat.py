"""What the settings of webchat mean, which names are taken for each other, and
what the history keeps, forgets and refuses."""
import os
import sqlite3
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "plugins/webchat"))
import caller  # noqa: E402
import history  # noqa: E402
import pace  # noqa: E402
import settings  # noqa: E402
import words  # noqa: E402

DIGEST = 64 * "a"


class Words(unittest.TestCase):
    def test_names_are_short_and_visible(self):
        for said, name in (
                ("Ann", "Ann"), ("  a \n b ", "a b"), ("\u202e\u0001", ""),
                ("A\u200bnn", "Ann"), ("\uff21nn", "Ann"), (99 * "x", 32 * "x"),
                ("Ann \u2713 verified", "Ann verified"), ("\ud800x", "x"),
                ("O'Neill-Brown", "O'Neill-Brown"),
                ("\u4e2d\u6587", "\u4e2d\u6587")):
            self.assertEqual(words.name_of(said), name, ascii(said))

    def test_what_looks_like_a_name(self):
        for other in ("ann", "A.N.N", "\u00c1nn", "a n n", "ANN_"):
            self.assertEqual(words.likeness(other), "ann", ascii(other))
        self.assertNotEqual(words.likeness("Anna"), "ann")

    def test_texts_keep_what_is_written(self):
        for said, text in (
                ("a\nb\tc", "a\nb\tc"), ("a\r\nb", "a\nb"),
                ("\u202ea\0", "\ufffda\ufffd"), ("\ud800", "\ufffd"),
                ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469")):
            self.assertEqual(words.text_of(said), text, ascii(said))


class Settings(unittest.TestCase):
    def test_each_is_read(self):
        all_of_them = settings.Settings({
            "title": "Our rooms", "rooms": ["a", "b-2"], "history": 5,
            "text_limit": 10, "rate": {"burst": 3, "per_second": 0.5},
            "connections": 7, "per_address": 2, "bot": "Helper",
            "users": [{"name": "Ann", "sha256": DIGEST}],
            "origins": ["https://a.example"], "name": "rooms"})
        self.assertEqual(all_of_them.rooms, ["a", "b-2"])
        self.assertEqual((all_of_them.burst, all_of_them.per_second), (3, 0.5))
        self.assertEqual(all_of_them.user(DIGEST), "Ann")
        self.assertIsNone(all_of_them.user(64 * "b"))
        for name in ("ann", "\u00c1 nn", "helper"):
            self.assertTrue(all_of_them.is_reserved(name))
        self.assertFalse(all_of_them.is_reserved("Anna"))
        self.assertEqual(settings.Settings({}).rooms, ["lobby"])

    def test_what_makes_no_sense_is_named(self):
        user = {"name": "Ann", "sha256": DIGEST}
        for said, complaint in (
                ({"room": 1}, "settings has no 'room'"),
                ({"title": ""}, "title must be a name"),
                ({"rooms": "a"}, "rooms must be a list"),
                ({"rooms": []}, "at least one"),
                ({"rooms": ["a", "a"]}, "different names"),
                ({"rooms": ["A"]}, "rooms.0 must be"),
                ({"rooms": [str(i) for i in range(65)]}, "at most 64"),
                ({"history": True}, "history must be"),
                ({"history": 1001}, "from 1 to 1000"),
                ({"text_limit": 4001}, "from 1 to 4000"),
                ({"rate": 5}, "rate must be a map"),
                ({"rate": {"per_second": 0}}, "rate.per_second must be"),
                ({"connections": 1.5}, "a whole number"),
                ({"users": [{"name": "Ann"}]}, "users.0.sha256 must be"),
                ({"users": [user, user]}, "users.1.name 'Ann' is taken"),
                ({"users": [user, dict(user, name="Bea")]}, "another user's"),
                ({"users": [dict(user, name="guest-1")]}, "is taken"),
                ({"users": [dict(user, name="-")]}, "is taken"),
                ({"users": [dict(user, token="x")]}, "no 'token'"),
                ({"origins": ["a.example"]}, "origins.0 must be"),
                ({"name": "a b"}, "name must be")):
            with self.assertRaises(ValueError, msg=str(said)) as caught:
                settings.Settings(said)
            self.assertIn(complaint, str(caught.exception))


class Callers(unittest.TestCase):
    def test_pages_of_the_host_and_of_the_settings(self):
        others = ["https://friend.example"]
        for origin, host, is_own in (
                (None, "a.example", True),
                ("https://a.example", "a.example", True),
                ("http://a.example:80", "a.example", True),
                ("https://a.example", "a.example:443", True),
                ("http://a.example:8080", "a.example:8080", True),
                ("http://a.example:8080", "a.example", False),
                ("https://friend.example", "a.example", True),
                ("https://evil.example", "a.example", False),
                ("https://a.example.evil", "a.example", False),
                ("null", "a.example", False), ("null", "null", False),
                ("", "", False)):
            self.assertEqual(caller.is_own_page(origin, host, others), is_own,
                             (origin, host))
        self.assertEqual(caller.address_of("[::1]:5"), "[::1]")
        self.assertEqual(caller.address_of("unix"), "unix")


class Paces(unittest.TestCase):
    def test_a_burst_and_then_a_pause(self):
        slow = pace.Pace(3, 0.001)
        self.assertEqual([slow.take() for _ in range(4)],
                         [True, True, True, False])
        self.assertGreater(slow.wait_ms(1), 900000)
        self.assertLess(slow.wait_ms(1000), 3100000)
        self.assertFalse(slow.take(2))


def message(number, text="x"):
    return {"id": "m%s" % number, "text": text, "sender": "guest-1",
            "name": "Ann", "kind": "guest", "reply_to": ""}


class Histories(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "rooms.db")
        self.history = history.History(self.path, 5)

    def tearDown(self):
        self.history.close()
        self.folder.cleanup()

    def reopen(self, complaints=None):
        self.history.close()
        self.history = history.open_history(
            self.path, 5, (complaints if complaints is not None else []).append)
        return self.history

    def test_messages_come_back_in_order_and_once(self):
        first = self.history.add("a", message(1), "s", 1)
        self.history.add("b", message(2), "s", 2)
        self.history.add("a", message(3), send_id="out")
        self.assertIsNone(self.history.add("a", message(1), "s", 3))
        self.assertIsNone(self.history.add("a", message(9), send_id="out"))
        again = self.reopen()
        self.assertEqual([each["id"] for each in again.after("a", 0, 9)],
                         ["m1", "m3"])
        self.assertEqual(again.after("a", first["seq"], 9)[0]["id"], "m3")
        self.assertEqual(len(again.after("a", 0, 1)), 1)
        self.assertEqual((again.number("s"), again.number("t")), (2, 0))
        self.assertEqual(again.sent("out")["id"], "m3")
        again.skip("s", 7)
        self.assertEqual(self.reopen().number("s"), 7)

    def test_what_is_not_taken_is_not_trimmed(self):
        for i in range(100):
            self.history.add("a", message(i))
        self.assertTrue(self.history.is_over("a"))
        self.history.trim("a", 10)
        self.assertEqual(self.history.after("a", 0, 1)[0]["seq"], 11)
        self.assertFalse(self.history.reaches("a", 0))
        self.history.trim("a", 100)
        self.assertEqual([each["seq"] for each in
                          self.history.after("a", 0, 99)],
                         [96, 97, 98, 99, 100])
        self.assertFalse(self.history.is_over("a"))
        again = self.reopen()
        self.assertEqual(again.cut, {"a": 95})
        self.assertTrue(again.reaches("b", 0))
        self.assertEqual(again.add("a", message(100))["seq"], 101)

    def test_the_position_is_kept(self):
        self.history.add("a", message(1))
        self.history.add("a", message(2))
        self.history.add("b", message(3))
        self.history.add("b", message(4), send_id="out")
        self.history.taken["a"] = 1
        again = self.reopen()
        self.assertEqual(again.taken, {"a": 1, "b": 0})
        self.assertEqual([each["id"] for each in again.not_taken(0)],
                         ["m2", "m3"])
        self.assertEqual([each["id"] for each in again.not_taken(2)], ["m3"])

    def test_sessions_are_bounded(self):
        bounds = history.SESSIONS_MAX, history.SESSIONS_SLACK
        history.SESSIONS_MAX, history.SESSIONS_SLACK = 10, 3
        try:
            for i in range(14):
                self.history.add("a", message(i), "s%d" % (i % 13), i + 1)
                if self.history.is_over("a"):
                    self.history.trim("a", 0)
                self.assertLessEqual(len(self.history._sessions), 10)
            self.assertEqual(self.history._db.execute(
                "SELECT count(*) FROM sessions").fetchone(), (12,))
            self.assertEqual([self.history.number("s%d" % i)
                              for i in (0, 1, 2, 12)], [14, 0, 3, 13])
        finally:
            history.SESSIONS_MAX, history.SESSIONS_SLACK = bounds

    def test_a_full_disk_changes_nothing(self):
        pages, = self.history._db.execute("PRAGMA page_count").fetchone()
        self.history._db.execute("PRAGMA max_page_count = %d" % pages)
        with self.assertRaises(sqlite3.OperationalError):
            for i in range(100):
                self.history.add("a", message(i, 1000 * "x"), "s", i + 1)
        self.assertEqual(self.history.number("s"), i)
        self.assertEqual(self.history.last, i)
        self.history._db.execute("PRAGMA max_page_count = 100000")
        self.assertEqual(self.history.add("a", message(i))["seq"], i + 1)

    def test_one_has_it_at_a_time(self):
        self.history.add("a", message(1))
        with self.assertRaises(sqlite3.OperationalError):
            history.History(self.path, 5)

    def test_a_damaged_file_is_put_aside(self):
        for i in range(50):
            self.history.add("a", message(i, 1000 * "x"))
        complaints, before = [], self.history.id
        for damage in (b"no database", None):
            self.history.close()
            with open(self.path, "r+b") as file:
                if damage:
                    file.write(damage * 100)
                else:  # in the middle
                    file.seek(4096)
                    file.write(40000 * b"\xff")
            self.history = history.History(self.path + ".other", 5)
            again = self.reopen(complaints)
            self.assertEqual(again.after("a", 0, 9), [])
            self.assertNotEqual(again.id, before)
            for i in range(50):
                again.add("a", message(i, 1000 * "x"))
        self.assertEqual(len(complaints), 2)
        self.assertTrue(os.path.exists(self.path + ".damaged"))


if __name__ == "__main__":
    unittest.main()

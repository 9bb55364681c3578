"""The rules of a channel are kept by the SDK, in C, Python and Node alike: the
plugin tests/plugins/relay against a supd of this file's own."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lapses import Talk  # noqa: E402

MESSAGES = 256  # in progress
LANE = 32       # of one lane, with supd at a time


class Channels(Talk):
    package = channel = "relay"

    def setUp(self):
        super().setUp()
        self.unsaid = []  # what must not be on standard error
        self.noted = []

    def tearDown(self):
        super().tearDown()
        for text in self.unsaid:
            self.assertNotIn(text, self.worker.said.decode())

    # ---- as supd ----

    def begin_start(self, epoch=1, cursor=None):
        return self.worker.begin("channel.start",
                                 [self.channel, epoch, cursor, 5000])

    def begin_stop(self):
        return self.worker.begin("channel.stop", [self.channel, 5000])

    def start(self, epoch=1, cursor=None):
        self.assertEqual(self.answer(self.begin_start(epoch, cursor)),
                         (None, None))

    def stop(self):
        error, result = self.answer(self.begin_stop())
        self.assertIsNone(error)
        return result[0]

    def asked(self, message_id=None):
        """The number of the next request with a message, and the message."""
        _, number, _, (name, message) = self.until(
            lambda m: m[0] == 0 and m[2] == "channel.message" and
            message_id in (None, m[3][1]["id"]))
        self.assertEqual(name, "relay")
        return number, message

    def taken(self, message_id, how="new"):
        number, message = self.asked(message_id)
        self.worker.send([1, number, None, how])
        return message

    def refused(self, message_id, code):
        number, message = self.asked(message_id)
        self.worker.send([1, number, [code, "not now"], None])
        return message

    def nothing_is_asked(self):
        self.pong()
        self.assertEqual([m for m in self.aside if m[0] == 0 or
                          m[1] == "channel.status"], [])

    # ---- as the plugin ----

    def give(self, *ids, lane=None, cursors=False):
        """Each in a lane of its own, unless that is said."""
        for number, message_id in enumerate(ids):
            self.tool("receive", {
                "id": message_id, "lane": lane or message_id,
                "cursor": str(number + 1) if cursors else None})

    def note(self, count):
        """At least so many lines, and what else there is."""
        while len(self.noted) < count:
            self.noted += self.tool("journal")
        self.noted += self.tool("journal")

    def journal(self, *lines):
        """These were noted, in this order, since the last time."""
        self.note(len(lines))
        self.assertEqual(self.noted, list(lines))
        self.noted = []

    def journal_of(self, *lines):
        """The same in any order."""
        self.note(len(lines))
        self.assertEqual(sorted(self.noted), sorted(lines))
        self.noted = []

    def journal_in_line(self, *lines):
        """The same, but in order only: what is acknowledged, and of each message
        that it is acknowledged before it is over."""
        self.note(len(lines))
        self.assertEqual(sorted(self.noted), sorted(lines))
        acknowledged = [line for line in self.noted if line.startswith("ack ")]
        self.assertEqual(acknowledged, [line for line in lines
                                        if line.startswith("ack ")])
        for line in acknowledged:
            over = next(other for other in self.noted
                        if other.startswith("over%s " % line[3:]))
            self.assertLess(self.noted.index(line), self.noted.index(over))
        self.noted = []

    # ---- what is said ----

    def test_it_is_declared(self):
        offer = next(o for o in self.worker.offers if o["kind"] == "channel")
        self.assertEqual(
            {key: value for key, value in offer.items() if value is not None},
            {"kind": "channel", "name": "relay",
             "can": ["text", "react", "find"], "ack": "handled",
             "text_limit": 400, "announce": True})

    def test_a_message_has_the_fields_of_the_contract(self):
        self.start()
        self.tool("receive", {"id": "1", "lane": "l", "cursor": "c",
                              "more": '{"mentioned": true, "raw": [1]}'})
        self.assertEqual(self.taken("1"), {
            "id": "1", "lane": "l", "at": 5, "cursor": b"c",
            "from": {"id": "ann", "name": "Ann", "verified": True},
            "chat": {"id": "room", "type": "group"}, "text": "Hello",
            "mentioned": True, "raw": [1]})

    def test_a_message_that_cannot_be_sent_is_refused_at_once(self):
        self.start()
        self.give("")
        self.tool("receive", {"id": "1", "lane": ""})
        self.tool("receive", {"id": "2", "cursor": "c" * 4097})
        self.tool("receive", {"id": "3", "more": '{"raw": "%s"}'
                              % ("x" * 1044000)})
        self.nothing_is_asked()
        self.journal("start 1 none", "over  none", "over 1 none",
                     "over 2 none", "over 3 none")
        self.assertIsNone(self.stop())

    def test_states_are_reported(self):
        self.start()
        self.tool("status")
        for state, text in (("connecting", "to it"), ("up", ""),
                            ("waiting", "5 s"), ("down", ""),
                            ("login", "code?"), ("failed", "banned")):
            self.assertEqual(self.notification("channel.status"),
                             ["relay", state, text])
        self.stop()
        self.tool("status")
        self.nothing_is_asked()

    # ---- acknowledging ----

    def test_only_what_is_new_or_seen_is_acknowledged(self):
        self.start()
        self.give("1", "2", "3", "4", lane="one")
        self.taken("1", "new")
        self.taken("2", "seen")
        self.taken("3", "refused")
        self.refused("4", "bad_message")
        self.journal_in_line(
            "start 1 none", "ack 1", "over 1 new", "ack 2", "over 2 seen",
            "over 3 refused", "over 4 none")

    def test_nothing_is_acknowledged_when_the_link_is_lost(self):
        self.start()
        self.give("1", "2")
        self.refused("1", "busy")
        self.asked("2")
        self.unsaid = ["ack 1", "ack 2"]

    def test_nothing_is_taken_before_the_start_or_after_a_failed_one(self):
        self.give("1")
        self.tool("set", {"start": "fail"})
        error, _ = self.answer(self.begin_start())
        self.assertEqual(error, ["failed", "the server refuses"])
        self.give("2")
        self.nothing_is_asked()
        self.journal("over 1 none", "start 1 none", "over 2 none")

    def test_nothing_is_taken_after_the_stop(self):
        self.start()
        self.give(*map(str, range(LANE + 1)), lane="one")
        numbers = [self.asked(str(each))[0] for each in range(LANE)]
        stopping = self.begin_stop()
        self.pong()
        self.give("more")
        self.nothing_is_asked()
        self.journal("start 1 none", "over %d none" % LANE, "over more none")
        for number in numbers[1:]:
            self.worker.send([1, number, ["busy", "not now"], None])
        self.journal(*["over %d none" % each for each in range(1, LANE)])
        number = numbers[0]
        self.worker.send([1, number, None, "new"])
        self.assertEqual(self.answer(stopping), (None, [None]))
        self.journal("ack 0", "over 0 new", "stop")
        self.give("4")
        self.nothing_is_asked()
        self.journal("over 4 none")

    def test_several_messages_of_a_lane_are_with_supd_at_a_time(self):
        self.start()
        self.give(*map(str, range(LANE + 2)), lane="one")
        first, _ = self.asked("0")
        numbers = [self.asked(str(each))[0] for each in range(1, LANE)]
        self.nothing_is_asked()
        self.worker.send([1, first, None, "new"])
        numbers.append(self.asked(str(LANE))[0])
        self.nothing_is_asked()
        for number in numbers:
            self.worker.send([1, number, None, "new"])
        self.taken(str(LANE + 1))
        lines = ["start 1 none"]
        for each in range(LANE + 2):
            lines += ["ack %d" % each, "over %d new" % each]
        self.journal_in_line(*lines)

    # ---- busy and conflict ----

    def test_a_busy_supd_is_asked_again_and_keeps_the_order(self):
        self.start()
        self.give("1", lane="one")
        self.give("2", lane="one")
        self.give("3", lane="two")
        self.taken("3")
        self.refused("1", "busy")
        number, _ = self.asked("2")
        self.nothing_is_asked()  # before all of the lane are answered
        self.worker.send([1, number, ["busy", "behind another"], None])
        for _ in range(3):
            self.refused("1", "busy")
        self.nothing_is_asked()  # the first one alone
        self.taken("1")
        self.taken("2")
        self.journal("start 1 none", "ack 3", "over 3 new", "ack 1",
                     "over 1 new", "ack 2", "over 2 new")

    def test_a_message_that_supd_was_busy_for_is_not_taken_at_a_stop(self):
        self.start()
        self.give("1", "2", cursors=True)
        self.taken("2")
        self.journal("start 1 none", "ack 2", "over 2 new")
        self.refused("1", "busy")
        self.assertIsNone(self.stop())
        self.journal("over 1 none", "stop")
        self.nothing_is_asked()

    def test_a_conflict_ends_it_until_the_next_start(self):
        self.start()
        self.give("1", "2", lane="one")
        self.refused("1", "conflict")
        self.refused("2", "conflict")
        self.give("3")
        self.nothing_is_asked()
        self.journal_of("start 1 none", "over 1 none", "over 2 none",
                        "over 3 none")
        self.assertIsNone(self.stop())
        self.start(2)
        self.give("4")
        self.taken("4")
        self.journal("stop", "start 2 none", "ack 4", "over 4 new")

    # ---- cursors ----

    def test_a_start_without_messages_leaves_the_cursor(self):
        self.start(7, b"77")
        self.assertEqual(self.stop(), b"77")
        self.journal("start 7 77", "stop")

    def test_a_stop_answers_the_cursor_of_the_longest_prefix(self):
        for busy, cursor in (("1", b"0"), ("2", b"1"), ("3", b"2"),
                             (None, b"3")):
            with self.subTest(busy):
                self.start(1, b"0")
                self.give("1", "2", "3", cursors=True)
                for message_id, how in (("3", "new"), ("2", "refused"),
                                        ("1", "seen")):
                    if message_id == busy:
                        self.refused(message_id, "busy")
                    else:
                        self.taken(message_id, how)
                self.assertEqual(self.stop(), cursor)

    def test_the_plugin_may_set_the_cursor(self):
        self.start()
        self.give("1", cursors=True)
        self.taken("1")
        self.tool("set", {"stop": "cursor"})
        self.assertEqual(self.stop(), b"mine")

    def test_no_cursor_skips_a_message_that_waits(self):
        self.start()
        self.give(*["f%d" % each for each in range(LANE - 1)], lane="one")
        for message_id, lane, cursor in (("1", "one", "1"), ("2", "one", "2"),
                                         ("3", "two", "3"), ("4", "two", "4")):
            self.tool("receive", {"id": message_id, "lane": lane,
                                  "cursor": cursor})
        # What supd keeps must not be beyond 2, which it has not seen yet.
        self.assertNotIn("cursor", self.taken("3"))
        self.assertNotIn("cursor", self.taken("4"))
        for each in range(LANE - 1):
            self.taken("f%d" % each)
        self.assertEqual(self.taken("1")["cursor"], b"1")
        self.assertEqual(self.taken("2")["cursor"], b"4")
        self.assertEqual(self.stop(), b"4")

    # ---- starts and stops ----

    def test_a_stop_waits_for_the_start(self):
        self.tool("set", {"start": "hold"})
        starting = self.begin_start()
        self.pong()
        stopping = self.begin_stop()
        self.pong()
        self.give("1")
        self.journal("start 1 none", "over 1 none")
        self.tool("go")
        self.assertEqual(self.answer(starting), (None, None))
        self.assertEqual(self.answer(stopping), (None, [None]))
        self.journal("stop")
        self.give("2")
        self.journal("over 2 none")

    def test_messages_are_taken_while_it_starts(self):
        self.tool("set", {"start": "hold"})
        starting = self.begin_start()
        self.journal("start 1 none")
        self.give("1")
        self.taken("1")
        self.tool("go")
        self.assertEqual(self.answer(starting), (None, None))
        self.journal("ack 1", "over 1 new")

    def test_a_start_waits_for_the_stop(self):
        self.start()
        self.tool("set", {"stop": "hold"})
        stopping = self.begin_stop()
        self.pong()
        starting = self.begin_start(2)
        self.pong()
        self.journal("start 1 none", "stop")
        self.tool("go")
        self.assertEqual(self.answer(stopping), (None, [None]))
        self.assertEqual(self.answer(starting), (None, None))
        self.journal("start 2 none")
        self.give("1")
        self.taken("1")
        self.journal("ack 1", "over 1 new")

    def test_a_start_that_waits_does_not_open_it_for_a_stop_behind(self):
        self.start()
        self.tool("set", {"start": "hold", "stop": "hold"})
        stopping = self.begin_stop()
        self.journal("start 1 none", "stop")
        starting = self.begin_start(2)
        stopping_again = self.begin_stop()
        self.tool("set", {"stop": "ok"})
        self.tool("go")
        self.assertEqual(self.answer(stopping), (None, [None]))
        self.journal("start 2 none")
        self.give("1")
        number, _ = self.asked("1")
        self.tool("go")
        self.assertEqual(self.answer(starting), (None, None))
        self.pong()
        self.give("2")
        self.nothing_is_asked()
        self.journal("over 2 none")
        self.worker.send([1, number, None, "new"])
        self.assertEqual(self.answer(stopping_again), (None, [None]))
        self.journal("ack 1", "over 1 new", "stop")

    def test_a_start_waits_for_answers_too(self):
        self.start()
        self.give("1")
        number, _ = self.asked("1")
        starting = self.begin_start(2)
        self.pong()
        self.give("2")
        self.journal("start 1 none", "over 2 none")
        self.worker.send([1, number, None, "new"])
        self.assertEqual(self.answer(starting), (None, None))
        self.journal("ack 1", "over 1 new", "start 2 none")

    def test_nothing_is_taken_when_the_start_is_cancelled(self):
        self.tool("set", {"start": "hold"})
        starting = self.begin_start()
        self.journal("start 1 none")
        self.give("1", "2")
        self.taken("2")
        self.journal("ack 2", "over 2 new")
        self.refused("1", "busy")
        self.cancel(starting)
        self.pong()
        self.give("3")
        self.assertIsNone(self.stop())
        self.tool("go")
        self.assertEqual(self.answer(starting)[0][0], "cancelled")
        self.nothing_is_asked()
        self.journal("over 1 none", "over 3 none", "stop")
        self.tool("set", {"start": "ok"})
        self.start(2)
        self.give("4")
        self.taken("4")
        self.journal("start 2 none", "ack 4", "over 4 new")

    def test_a_stop_that_is_cancelled_while_it_waits_is_over(self):
        self.tool("set", {"start": "hold"})
        starting = self.begin_start()
        self.pong()
        stopping = self.begin_stop()
        self.pong()
        self.cancel(stopping)
        self.assertEqual(self.answer(stopping)[0][0], "cancelled")
        self.tool("go")
        self.assertEqual(self.answer(starting), (None, None))
        self.assertIsNone(self.stop())
        self.journal("start 1 none", "stop")

    def test_a_stop_that_is_cancelled_does_not_keep_a_start_waiting(self):
        self.start()
        self.tool("set", {"stop": "hold"})
        stopping = self.begin_stop()
        self.journal("start 1 none", "stop")
        self.cancel(stopping)
        self.start(2)
        self.tool("go")
        self.assertEqual(self.answer(stopping)[0][0], "cancelled")
        self.journal("start 2 none")
        self.give("1")
        self.taken("1")
        self.journal("ack 1", "over 1 new")

    def test_a_stop_that_fails_takes_nothing(self):
        self.start()
        self.tool("set", {"stop": "fail"})
        error, _ = self.answer(self.begin_stop())
        self.assertEqual(error[0], "failed")
        self.give("1")
        self.nothing_is_asked()
        self.journal("start 1 none", "stop", "over 1 none")

    def test_it_goes_on_with_other_registrations(self):
        self.start()
        self.give("1")
        offering = self.worker.begin("tool", ["offer", {}, 0, None])
        asked = self.until(lambda m: m[0] == 0 and m[2] == "offer")
        self.worker.send([1, asked[1], None, None])
        self.assertEqual(self.answer(offering), (None, "fine"))
        self.give("2")
        self.taken("1")
        self.journal("start 1 none", "ack 1", "over 1 new")
        self.taken("2")
        self.journal("ack 2", "over 2 new")
        self.assertIsNone(self.stop())

    # ---- sends ----

    def send(self, mode):
        self.tool("set", {"send": mode})
        return self.ask("channel.send", "relay", "s1", {"chat": "c"},
                        {"text": "Hello", "format": "plain"}, 0)

    def find(self, mode):
        self.tool("set", {"send": mode})
        return self.ask("channel.find", "relay", "s1", {"chat": "c"}, 9)

    def act(self, mode):
        self.tool("set", {"send": mode})
        return self.ask("channel.act", "relay", "react", {"id": "m"},
                        {"emoji": "+"}, 0)

    def test_a_send_answers_its_state(self):
        self.start()
        for mode, result in (
                ("sent", ["sent", {"ids": ["p1"]}]),
                ("nothing", ["sent", {"ids": []}]),
                ("value", ["sent", {"ids": ["p1", "p2"], "at": 7}]),
                ("not_sent", ["not_sent", {"text": "nobody is there"}]),
                ("retry", ["retry", {"after_ms": 50}])):
            with self.subTest(mode):
                self.assertEqual(self.send(mode), (None, result))
                self.assertEqual(self.find(mode), (None, result))
        self.assertEqual(self.send("fail")[0][0], "failed")
        self.assertEqual(self.act("sent"), (None, {"ids": ["p1"]}))
        self.assertEqual(self.act("not_sent")[0],
                         ["failed", "nobody is there"])
        self.assertEqual(self.act("retry")[0][0], "busy")
        self.journal("start 1 none", *["send s1 c - Hello", "find s1 c 9"] * 5,
                     "send s1 c - Hello", *["act react m +"] * 3)

    def test_nothing_is_sent_while_it_is_not_connected(self):
        for _ in range(2):
            self.assertEqual(self.send("sent"),
                             (None, ["retry", {"after_ms": 1000}]))
            self.assertEqual(self.find("sent")[0][0], "busy")
            self.assertEqual(self.act("sent")[0][0], "busy")
            self.start()
            self.assertIsNone(self.stop())
        self.journal(*["start 1 none", "stop"] * 2)

    def test_a_plugin_sends_through_the_channel_of_another(self):
        number = self.worker.begin("tool", ["send", {}, 0, None])
        call = self.until(lambda m: m[0] == 0 and m[2] == "call")
        self.assertEqual(call[3], ["channel", "other", {
            "target": {"chat": "c1", "thread": "t1", "reply_to": "r1"},
            "content": {"text": "Hello", "format": "plain"},
            "key": "k1"}, 300, number])
        self.worker.send([1, call[1], None, ["s1", "sent", {"ids": ["p1"]}]])
        self.assertEqual(self.answer(number),
                         (None, ["s1", "sent", {"ids": ["p1"]}]))

    def test_a_plugin_acts_through_the_channel_of_another(self):
        message = {"chat": "c1", "id": "m1"}
        for action, target, args in (
                ("edit", message, {"text": "New", "format": "plain"}),
                ("react", message, {"emoji": "+"}),
                ("delete", dict(message, thread="t1"), {}),
                ("typing", {"chat": "c1"}, {})):
            number = self.worker.begin("tool", ["act", {"action": action}, 0,
                                                None])
            call = self.until(lambda m: m[0] == 0 and m[2] == "call")
            self.assertEqual(call[3], ["channel", "other", {
                "action": action, "target": target, "args": args}, 300, number])
            self.worker.send([1, call[1], None, {"ids": ["m1"]}])
            self.assertEqual(self.answer(number), (None, {"ids": ["m1"]}))

    # ---- bounds ----

    def test_only_so_many_messages_are_in_progress(self):
        self.start()
        self.tool("flood")
        numbers = [self.asked()[0] for _ in range(MESSAGES)]
        self.full()
        self.nothing_is_asked()
        for number in numbers:
            self.worker.send([1, number, None, "new"])
        self.has_room()
        self.assertIsNone(self.stop())


class C(Channels, unittest.TestCase):
    language = "c"

    def full(self):
        self.give("more")
        self.assertIn("over more none", self.tool("journal"))
        self.said = ["256 messages are in progress"]

    def has_room(self):
        lines = []
        while len(lines) < 2 * MESSAGES + 1:
            lines += self.tool("journal")
        self.assertEqual(lines[:3], ["ack m0", "over m0 new", "room"])
        self.assertEqual(lines.count("room"), 1)


class CNative(C):
    link = "native"


class Light(Channels):
    """Those of the languages that are not compiled: receive() waits."""

    def full(self):
        self.give("more")
        self.journal("start 1 none")

    def has_room(self):
        self.taken("more")
        lines = []
        while len(lines) < 2 * (MESSAGES + 1) + 1:
            lines += self.tool("journal")
        self.assertEqual(lines.count("room"), 1)
        self.assertLess(lines.index("over m0 new"), lines.index("ack more"))

    def test_a_line_of_messages_is_bounded(self):
        self.start()
        self.assertEqual(self.tool("overflow"), {"waits": 0, "busy": 1})
        for number in range(MESSAGES):
            self.taken(str(number))
        stopping = self.begin_stop()
        for number in range(MESSAGES, 2 * MESSAGES):
            self.taken(str(number))
        self.assertEqual(self.answer(stopping), (None, [None]))
        self.nothing_is_asked()


class Python(Light, unittest.TestCase):
    language = "python"

    def test_what_is_no_message_is_refused_by_name(self):
        self.start()
        self.assertEqual(self.tool("odd"), [
            "a message is a dict, not []",
            "bad_message: id of the message must be a string of 1 to 512 bytes",
            "$.raw[0]: NaN is not JSON",
            "a cursor is bytes, str or None, not 7"])
        self.nothing_is_asked()

    def test_a_thread_waits_for_the_answer(self):
        self.start()
        number = self.worker.begin("tool", ["wait", {"id": "1"}, 0, None])
        self.refused("1", "busy")
        self.taken("1")
        self.assertEqual(self.answer(number), (None, "new"))
        self.journal("start 1 none", "ack 1")

    def test_a_channel_without_its_functions_is_refused(self):
        self.test_it_goes_on_with_other_registrations()
        self.said = ["channel half has no function for stop"]


class PythonAsyncio(Python):
    def setUp(self):
        os.environ["LOOP"] = "asyncio"
        try:
            super().setUp()
        finally:
            del os.environ["LOOP"]


@unittest.skipUnless(shutil.which("node"), "needs Node")
class Node(Light, unittest.TestCase):
    language = "node"

    def test_what_is_no_message_is_refused_by_name(self):
        self.start()
        self.assertEqual(self.tool("odd"), [
            "a message is an object, not a object",
            "id of the message must be a string of 1 to 512 bytes",
            "$.raw[0]: NaN is not JSON",
            "a cursor is bytes or a string, not 7",
            "acknowledge must be a function"])
        self.nothing_is_asked()


if __name__ == "__main__":
    unittest.main()

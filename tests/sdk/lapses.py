"""What a plugin does wrong, or what goes wrong for it, has the same outcome in C,
Python and Node: the plugin tests/plugins/lapses against a supd of this file's
own. The worker lives on."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire_values import Worker  # noqa: E402

CONN = 77  # the number of the connection


class Talk:
    """One worker of a package, and a supd of this file's own."""
    language, link, package = "", "nng", ""

    def setUp(self):
        self.worker = Worker(self.language, self.link, self.package).start()
        self.aside = []
        self.said = []  # what must be on standard error

    def tearDown(self):
        self.assertEqual(self.worker.end(), 0)
        for text in self.said:
            self.assertIn(text, self.worker.said.decode())

    # ---- talking to it ----

    def until(self, wanted):
        for index, message in enumerate(self.aside):
            if wanted(message):
                return self.aside.pop(index)
        while True:
            message = self.worker.receive()
            if wanted(message):
                return message
            self.aside.append(message)

    def answer(self, number):
        """Error and result."""
        return tuple(self.until(
            lambda m: m[0] == 1 and m[1] == number)[2:])

    def ask(self, name, *params):
        return self.answer(self.worker.begin(name, list(params)))

    def tool(self, name, args=None):
        error, result = self.ask("tool", name, args, 0, None)
        self.assertIsNone(error)
        return result

    def pong(self):
        self.assertEqual(self.ask("ping"), (None, None))

    def notification(self, name):
        return self.until(lambda m: m[0] == 2 and m[1] == name)[2]

    def logged(self, text):
        """The level of the line of the log with this in it."""
        return self.until(lambda m: m[0] == 2 and m[1] == "log"
                          and text in m[2][1])[2][0]

    def cancel(self, number):
        self.worker.send([2, "cancel", [number]])


class Lapses(Talk):
    package = "lapses"

    def begin_open(self, how=None):
        place = next(i for i, offer in enumerate(self.worker.offers)
                     if offer.get("websocket"))
        headers = [["x-do", how.encode()]] if how else []
        return self.worker.begin("ws.open", [
            CONN, place, "/ws", {}, "", headers, "peer:1", None, 0])

    def open(self, how=None):
        return self.answer(self.begin_open(how))

    def say(self, *texts):
        for text in texts:
            self.worker.send([2, "ws.message", [CONN, 1, text.encode(),
                                                False]])

    def begin_offer(self, what):
        """What it asks for, and how to have it answered."""
        number = self.worker.begin("tool", ["offer", {"what": what}, 0, None])
        return number, self.until(lambda m: m[0] == 0 and m[2] == "offer"
                                  or m[0] == 1 and m[1] == number)

    def offer(self, what, error=None):
        """What becomes of it, and the new registrations."""
        number, asked = self.begin_offer(what)
        if asked[0] == 1:
            return asked[3], None
        self.worker.send([1, asked[1], error, None])
        return self.answer(number)[1], asked[3][0]

    # ---- probe ----

    def test_it_knows_what_it_registers_and_nothing_else(self):
        for place, offer in enumerate(self.worker.offers):
            kind, name = offer["kind"], offer.get("name")
            if kind == "http":
                name = "%(method)s %(path)s" % offer
                name += " websocket" * bool(offer.get("websocket"))
            self.assertEqual(self.ask("probe", place, kind, name),
                             (None, None))
            for wrong in ([place, kind, name + "x"], [place, "schedule", name],
                          [place, "constructor", name],
                          [place + 1, kind, name], [2**53, kind, name]):
                error, _ = self.ask("probe", *wrong)
                self.assertEqual(error[0], "not_found", wrong)
        self.assertEqual(self.ask("probe", "x", "tool", "y")[0][0],
                         "bad_message")
        self.assertEqual([m for m in self.aside if m[1] == "log"], [])

    # ---- connections ----

    def test_a_move_that_is_cancelled_loses_the_connection(self):
        self.assertEqual(self.open()[1][0], 101)
        self.say("hold", "and more")
        move = self.worker.begin("ws.move", [CONN])
        self.pong()
        self.cancel(move)
        self.answer(move)
        self.worker.send([2, "ws.close", [CONN, 1000, ""]])
        self.pong()
        self.tool("go")
        self.assertEqual(self.tool("heard"), [1006])

    def test_an_open_that_is_cancelled_loses_the_connection(self):
        number = self.begin_open("late")
        self.pong()
        self.cancel(number)
        self.tool("go")
        self.assertEqual(self.answer(number)[0][0], "cancelled")
        self.pong()
        self.assertEqual(self.tool("heard"), [1006])

    def test_an_answer_that_is_too_large_is_an_error(self):
        error, _ = self.open("heavy")
        self.assertEqual(error[0], "failed")
        self.pong()
        self.assertEqual([m for m in self.aside if m[1] == "ws.message"], [])

    def test_a_blob_that_cannot_be_sent_is_left_behind(self):
        for what in self.moves:
            with self.subTest(what):
                self.assertEqual(self.open()[1][0], 101)
                self.say("move " + what)
                _, result = self.ask("ws.move", CONN)
                self.assertTrue(result is None)
                self.assertEqual(self.logged("moves without its state"),
                                 "warn")
        self.assertEqual(self.open()[1][0], 101)
        self.say("move fine")
        self.assertEqual(self.ask("ws.move", CONN), (None, [b"fine"]))

    def test_only_the_codes_of_the_rfc_are_sent(self):
        for code in (1000, 1003, 1007, 1014, 3000, 4999):
            self.assertEqual(self.open()[1][0], 101)
            self.say("close %d" % code)
            self.assertEqual(self.notification("ws.close"),
                             [CONN, code, "as asked"])
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1, 70000):
            self.assertEqual(self.open()[1][0], 101)
            self.say("close %d" % code)
            self.assertEqual(self.notification("ws.close")[1], 1011, code)
            self.assertEqual(self.logged("close code %d" % code), "error")

    # ---- services, quiesce and take ----

    def test_a_stop_waits_for_the_start_over_other_registrations(self):
        for what in ("more", "again"):
            starting = self.worker.begin("service.start", ["slow", 0])
            self.pong()
            self.assertEqual(self.offer(what)[0], "fine")
            stopping = self.worker.begin("service.stop", ["slow", 0])
            self.pong()
            before = self.tool("stopped")
            self.tool("go")
            self.assertEqual(self.answer(starting), (None, None))
            self.assertEqual(self.answer(stopping), (None, None))
            self.assertEqual(self.tool("stopped"), before + 1, what)

    def test_a_service_that_supd_refuses_is_gone(self):
        outcome, offers = self.offer("service", ["conflict", "no services"])
        self.assertIn("no services", outcome)
        self.assertIn("other", [offer.get("name") for offer in offers])
        for what in ("service.start", "service.stop"):
            self.assertEqual(self.ask(what, "other", 0)[0][0], "not_found")
        self.assertEqual(self.ask("service.stop", "slow", 0), (None, None))

    def test_quiesce_and_take_answer_nothing_else_than_that_it_is_done(self):
        self.assertEqual(self.ask("take", 1, 0), (None, None))
        self.assertEqual(self.ask("quiesce", 0), (None, None))
        self.tool("odd")
        asked = [("take", 1, 0), ("quiesce", 0)]
        if self.language != "c":
            asked.append(("service.stop", "slow", 0))
        for name, *params in asked:
            error, _ = self.ask(name, *params)
            self.assertEqual(error[0], "failed", name)
            self.assertIn("sup_ok()" if self.language == "c" else "7",
                          error[1])

    # ---- registrations ----

    def test_a_websocket_is_withdrawn_by_its_full_name(self):
        self.assertEqual(self.offer("withdraw plain")[0], "refused here")
        outcome, offers = self.offer("withdraw")
        self.assertEqual(outcome, "fine")
        self.assertFalse(any(offer.get("websocket") for offer in offers))

    def test_an_option_that_is_not_known_is_refused(self):
        for what in self.mistakes:
            self.assertEqual(self.offer(what), ("refused here", None), what)
        self.assertEqual(self.offer("more")[0], "fine")
        self.said = list(self.mistakes.values())

    def test_registrations_are_withdrawn_only_in_replace_offers(self):
        self.assertEqual(self.offer("late"), ("refused here", None))
        self.said = ["may be called only in the function given to %s" %
                     self.replace]


class C(Lapses, unittest.TestCase):
    language, replace = "c", "sup_replace_offers()"
    moves = ["large"]
    mistakes = {"on_error": "stop_on_error"}


class CNative(C):
    link = "native"


class Light(Lapses):
    """Those of the languages that are not compiled."""

    def refused_at_open(self, how):
        error, result = self.open(how)
        self.pong()
        self.assertEqual([m for m in self.aside if m[1] != "log"], [])
        return error[1] if error else result

    def test_what_came_before_a_close_is_handled_before_it(self):
        self.assertEqual(self.open()[1][0], 101)
        self.say("hold", "note", "note")
        self.worker.send([2, "ws.close", [CONN, 1000, ""]])
        self.pong()
        self.assertEqual(self.tool("heard"), [])
        self.tool("go")
        self.assertEqual(self.tool("heard"), ["note", "note", 1000])

    def test_a_close_before_the_answer_is_403(self):
        self.assertEqual(self.refused_at_open("close"), [403, [], None])


class Python(Light, unittest.TestCase):
    language, replace = "python", "replace_offers()"
    moves = ["large", "huge", "odd", "text", "number"]
    mistakes = {"on_error": "on_error", "option": "idempotant"}


@unittest.skipUnless(shutil.which("node"), "needs Node")
class Node(Light, unittest.TestCase):
    language, replace = "node", "replaceOffers()"
    moves = ["large", "huge", "odd", "text", "number"]
    mistakes = {"on_error": "onError", "option": "idempotant",
                "handler": "onMessage", "no-object": "options",
                "timeout": "a timeout must be a number"}

    def test_an_odd_status_is_an_error_that_names_it(self):
        self.assertIn("status must be from 200 to 599, not 7",
                      self.refused_at_open("status"))

    def test_a_header_of_two_lines_is_an_error_that_names_it(self):
        self.assertIn("X-Line", self.refused_at_open("header"))


if __name__ == "__main__":
    unittest.main()

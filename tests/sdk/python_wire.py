"""supd.py against a supd of this file's own: the wire of a worker, both ways,
on the light loop and on asyncio's."""
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.environ["SDK"])
import supd  # noqa: E402

GREETING = b"\0SP\0\0\x10\0\0"
DEADLINE_S = 20
CREDIT = 256 * 1024


class Ended(Exception):
    pass


class Fake:
    """One worker and its supd."""

    def __init__(self, settings=None, loop="light", script="python_plugin.py",
                 environment=None):
        self.folder = tempfile.mkdtemp(prefix="supd-sdk-")
        path = os.path.join(self.folder, "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(DEADLINE_S)
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(
                os.path.abspath(__file__)), script)],
            env={**os.environ, "PYTHONPATH": os.environ["SDK"], "LOOP": loop,
                 "SUPD_SOCKET": path, "SUPD_PLUGIN": "it", "SUPD_NONCE": "n0",
                 "SUPD_GENERATION": "4", "SUPD_DATA_DIR": self.folder,
                 "SUPD_PROTOCOL": "1", **(environment or {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.socket, _ = listener.accept()
        listener.close()
        self.socket.settimeout(DEADLINE_S)
        self.socket.sendall(GREETING)
        self.input, self.objects, self.aside = b"", [], []
        self.greeting = self._exactly(8)
        self.settings = {} if settings is None else settings
        self.next_id = 100

    def _exactly(self, size):
        while len(self.input) < size:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise Ended()
            self.input += piece
        data, self.input = self.input[:size], self.input[size:]
        return data

    def send(self, *objects):
        data = b"".join(map(supd.pack, objects))
        self.socket.sendall(b"\1" + struct.pack(">Q", len(data)) + data)

    def receive(self):
        while not self.objects:
            kind, size = struct.unpack(">BQ", self._exactly(9))
            assert kind == 1 and size <= 1 << 20, (kind, size)
            self.objects = supd.unpack_all(self._exactly(size))
        return self.objects.pop(0)

    def start(self):
        self.hello = self.receive()
        self.send([1, self.hello[1], None, [
            "it", 4, self.settings, {"credit": CREDIT, "inline_body": 65536,
                                     "body": 10 << 20, "message": 1 << 20}]])
        self.ready = self.receive()
        if self.ready[0] == 0:
            self.send([1, self.ready[1], None, None])
            self.offers = self.ready[3][1]
        return self

    def begin(self, name, *parameters):
        self.next_id += 1
        self.send([0, self.next_id, name, list(parameters)])
        return self.next_id

    def until(self, wanted):
        """The first object that is wanted; others are put aside."""
        for index, message in enumerate(self.aside):
            if wanted(message):
                return self.aside.pop(index)
        while True:
            message = self.receive()
            if wanted(message):
                return message
            self.aside.append(message)

    def answer(self, number):
        message = self.until(lambda m: m[0] == 1 and m[1] == number)
        return message[2], message[3]

    def notification(self, name):
        return self.until(lambda m: m[0] == 2 and m[1] == name)[2]

    def ask(self, name, *parameters):
        return self.answer(self.begin(name, *parameters))

    def tool(self, name, args=None):
        return self.ask("tool", name, args, 0, None)

    def begin_http(self, method, path, pattern=None, body=b"", more=False,
                   params=None, query="", headers=()):
        number = [(o.get("method"), o.get("path")) for o in self.offers].index(
            (method, pattern or path))
        return self.begin("http", number, method, path, params or {}, query,
                          list(headers), body, more, "peer:1", 5000)

    def http(self, *arguments, **more):
        return self.answer(self.begin_http(*arguments, **more))

    def chunks(self, number, credit=True):
        """The rest of an answer."""
        data = b""
        while True:
            _, piece, more = self.until(
                lambda m: m[0] == 2 and m[1] == "chunk" and m[2][0] == number
            )[2]
            data += piece
            if not more:
                return data
            if credit and piece:
                self.send([2, "credit", [number, len(piece)]])

    def pong(self):
        """After it all that came before it has been dealt with."""
        assert self.ask("ping") == (None, None)

    def end(self):
        """Exit code and texts of the worker."""
        self.socket.close()
        try:
            out, err = self.process.communicate(timeout=DEADLINE_S)
        finally:
            self.process.kill()
            shutil.rmtree(self.folder)
        return self.process.returncode, out.decode(), err.decode()


class Wire(unittest.TestCase):
    loop = "light"
    environment = {}

    def setUp(self):
        self.fake = Fake(loop=self.loop, settings={"a": {"b": 5}},
                         environment=self.environment).start()

    def tearDown(self):
        code, out, err = self.fake.end()
        self.assertEqual((code, out, err), (0, "a line of stdout\n", ""))

    # ---- the conversation ----

    def test_it_greets_says_hello_and_is_ready(self):
        self.assertEqual(self.fake.greeting, GREETING)
        self.assertEqual(self.fake.hello[2], "hello")
        self.assertEqual(self.fake.hello[3][:2], [1, "n0"])
        self.assertEqual(self.fake.ready[3][0], "1.2.3")
        self.assertIn({"kind": "http", "name": "POST /small", "method": "POST",
                       "path": "/small", "body_limit": 100000},
                      self.fake.offers)
        self.assertIn({"kind": "command", "name": "says", "help": "says it"},
                      self.fake.offers)

    def test_unknown_requests_are_errors_and_unknown_news_is_nothing(self):
        error, _ = self.fake.ask("tock", 1, 2)
        self.assertEqual(error[0], "not_found")
        self.fake.send([2, "weather", ["fine"]])
        self.fake.send([2, "chunk", [9, b"x", False]])
        self.fake.send([2, "credit", [9, 10]], [2, "cancel", [9]])
        self.fake.send([1, 12345, None, None])
        self.fake.pong()

    def test_what_it_has_not_is_not_found(self):
        self.assertEqual(self.fake.tool("none")[0][0], "not_found")
        error, _ = self.fake.ask("http", 999, "GET", "/", {}, "", [], b"",
                                 False, "p", 0)
        self.assertEqual(error[0], "not_found")

    def test_many_in_one_frame_are_all_answered(self):
        self.fake.send(*[[0, n, "tool", ["fails", None, 0, None]]
                         for n in range(1000, 1200)])
        for number in range(1000, 1200):
            self.assertEqual(self.fake.answer(number), (None, "fine"))

    def test_it_knows_itself(self):
        _, result = self.fake.tool("state")
        self.assertEqual(result[2:], [{"a": {"b": 5}}, "it", 4, 5, "text", 2])

    # ---- answers ----

    def value(self, what):
        return self.fake.http("GET", "/value/" + what, "/value/{what}",
                              params={"what": what})

    def test_values_become_answers(self):
        kind = "Content-Type"
        text, json = b"text/plain; charset=utf-8", b"application/json"
        for what, expected in {
                "none": [204, [], b"", False],
                "text": [200, [[kind, text]], b"t", False],
                "bytes": [200, [[kind, b"application/octet-stream"]], b"b",
                          False],
                "json": [200, [[kind, json]], '{"a":["\u00e9"]}'.encode(),
                         False],
                "pair": [201, [[kind, json]], b"[1]", False],
                "three": [202, [["X-A", b"1"], [kind, text]], b"x", False],
                "response": [203, [["X-A", b"1"], ["X-A", b"2"], [kind, text]],
                             b"y", False]}.items():
            with self.subTest(what):
                self.assertEqual(self.value(what), (None, expected))

    def test_a_request_tells_all(self):
        import json
        _, (status, _, body, _) = self.fake.http(
            "GET", "/request", query="a=1&b=%20", params={"p": "q"},
            headers=[["x-one", b"\xe9"], ["x-two", b"2"]])
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body), [
            "GET", "/request", {"p": "q"}, "a=1&b=%20", {"a": "1", "b": " "},
            [["x-one", "\u00e9"], ["x-two", "2"]], "\u00e9", "fallback",
            "peer:1", True])

    def test_pieces_are_streamed(self):
        for path, kind, body in (
                ("/pieces", b"text/plain; charset=utf-8",
                 b"piece 0\npiece 1\npiece 2\n"),
                ("/generator", b"application/x-ndjson",
                 b'{"n":0}\n{"n":1}\n{"n":2}\n'),
                ("/events", b"text/event-stream", b"event: tick\ndata: 1\n\n")):
            number = self.fake.begin_http("GET", path)
            _, (status, headers, first, more) = self.fake.answer(number)
            self.assertEqual((status, first, more), (200, b"", True))
            self.assertIn(["Content-Type", kind], headers)
            self.assertEqual(self.fake.chunks(number), body)

    def test_a_large_answer_stops_where_credit_ends(self):
        number = self.fake.begin_http("GET", "/big")
        _, (_, _, first, more) = self.fake.answer(number)
        self.assertEqual((first, more), (b"", True))
        self.fake.pong()
        self.fake.pong()
        sent = [m for m in self.fake.aside if m[1] == "chunk"]
        self.assertEqual(sum(len(m[2][1]) for m in sent), CREDIT)
        self.fake.send([2, "credit", [number, 10]])
        self.fake.pong()
        self.fake.pong()
        sent = [m for m in self.fake.aside if m[1] == "chunk"]
        self.assertEqual(sum(len(m[2][1]) for m in sent), CREDIT + 10)
        self.fake.send([2, "credit", [number, 1 << 20]])
        self.assertEqual(len(self.fake.chunks(number, credit=False)), 1000000)

    # ---- bodies ----

    def send_body(self, number, size, piece=32768):
        while size > 0:
            length = min(size, piece)
            size -= length
            self.fake.send([2, "chunk", [number, b"y" * length, size > 0]])

    def test_bodies_are_collected(self):
        self.assertEqual(self.fake.http("POST", "/length", body=b"abc")[1][2],
                         b"3")
        for path, answer in (("/length", b"264536"),
                             ("/plain", b"[264536,264536]")):
            number = self.fake.begin_http("POST", path, body=b"x" * 65536,
                                          more=True)
            self.send_body(number, 199000)
            self.assertEqual(self.fake.answer(number)[1][2], answer)

    def test_a_body_beyond_the_limit_is_too_large(self):
        number = self.fake.begin_http("POST", "/small", body=b"x" * 65536,
                                      more=True)
        self.fake.send([2, "chunk", [number, b"x" * 40000, True]])
        self.assertEqual(self.fake.answer(number)[0][0], "too_large")
        self.fake.send([2, "chunk", [number, b"x" * 40000, False]])
        self.fake.pong()

    def test_malformed_json_is_a_bad_message(self):
        self.assertEqual(self.fake.http("POST", "/json", body=b'{"a":1}')[1][2],
                         b'{"a":1}')
        self.assertEqual(self.fake.http("POST", "/json", body=b"{")[0][0],
                         "bad_message")

    def test_credit_is_given_for_what_is_taken(self):
        number = self.fake.begin_http("POST", "/held", body=b"x" * 65536,
                                      more=True)
        for _ in range(8):
            self.fake.send([2, "chunk", [number, b"y" * 32768, True]])
        self.fake.pong()
        self.assertEqual([m for m in self.fake.aside if m[1] == "credit"], [])
        self.fake.tool("release")
        given = 0
        while given < CREDIT:
            got = self.fake.notification("credit")
            self.assertEqual(got[0], number)
            given += got[1]
        self.assertEqual(given, CREDIT)
        self.fake.send([2, "chunk", [number, b"", False]])
        self.assertEqual(self.fake.answer(number)[1][2],
                         b"%d" % (65536 + CREDIT))

    # ---- troubles ----

    def test_what_a_handler_raises_is_answered_and_logged(self):
        for what, code in (("error", "conflict"), ("exception", "failed"),
                           ("exit", "failed"), ("set", "failed"),
                           ("large", "failed")):
            error, _ = self.fake.tool("fails", what)
            self.assertEqual(error[0], code, what)
        for what in ("exit", "exception"):
            self.assertEqual(self.fake.tool("fails-plain", what)[0][0],
                             "failed")
        _, (status, _, body, _) = self.fake.http("GET", "/boom")
        self.assertEqual((status, body), (500, b"the plugin failed\n"))
        logged = [m[2] for m in self.fake.aside if m[1] == "log"]
        self.assertEqual({level for level, _ in logged}, {"error"})
        self.assertTrue(any("KeyError: 'gone'" in text and "python_plugin" in text
                            and "supd.py" not in text for _, text in logged))

    def test_what_cannot_be_said_ends_nothing(self):
        for tool, what, code in (("fails", "no text", "failed"),
                                 ("fails", "no str", "failed"),
                                 ("fails-plain", "no text", "conflict")):
            error, _ = self.fake.tool(tool, what)
            self.assertEqual(error[0], code, what)
        for what in ("deep", "header"):
            _, (status, _, _, _) = self.fake.http(
                "GET", "/answers/" + what, "/answers/{what}",
                params={"what": what})
            self.assertEqual(status, 500, what)
        number = self.fake.begin_http("GET", "/answers/pieces",
                                      "/answers/{what}",
                                      params={"what": "pieces"})
        self.assertEqual(self.fake.answer(number)[1][0], 200)
        self.assertEqual(self.fake.notification("cancel"), [number])
        self.fake.pong()

    def test_what_is_of_foreign_make_ends_no_worker(self):
        _, names = self.fake.tool("odd-names")
        self.assertGreater(len(names), 10)
        for what in names:
            if what == "yields-garbage-for-ever" and self.loop != "light":
                continue  # asyncio itself goes on with it for ever
            for tool in ("odd-inline", "odd-pool", "odd-async"):
                error, value = self.fake.tool(tool, what)
                self.assertTrue(error, (tool, what, value))
            self.assertEqual(self.fake.tool("odd-background", what),
                             (None, None), what)
            self.fake.pong()

    def test_a_decorator_hides_nothing(self):
        self.assertEqual(self.fake.tool("decorated", 7), (None, 7))
        self.assertEqual(self.fake.ask("command", "decorated", "a", {}, 0),
                         (None, "adecorated"))

    def test_what_ends_other_things_ends_no_worker(self):
        for what in ("stop", "exit"):
            number = self.fake.begin_http(
                "POST", "/raises/" + what, "/raises/{what}", more=True,
                params={"what": what})
            self.fake.send([2, "chunk", [number, b"x", False]])
            self.assertEqual(self.fake.answer(number)[1][0], 500, what)
        number = self.fake.begin_http("GET", "/exits")
        self.assertEqual(self.fake.answer(number)[1][0], 200)
        self.assertEqual(self.fake.notification("cancel"), [number])
        self.fake.pong()

    def test_misuse_is_told_to_the_plugin_and_not_sent(self):
        self.assertEqual(self.fake.tool("misuse", "log"), (None, None))
        self.assertEqual(
            [self.fake.notification("log")[0] for _ in range(8)],
            ["warn", "debug", "info", "warn", "error", "error", "info",
             "info"])
        for what in ("emit", "name"):
            error, _ = self.fake.tool("misuse", what)
            self.assertIn("TypeError", error[1])
            self.assertIn("str", error[1])

    def test_a_timeout_is_never_taken_for_none(self):
        for seconds, ms in ((-1, 1), (0.0001, 1), (0, 0), (1.5, 1500)):
            number = self.fake.begin("tool", "misuse", seconds, 0, None)
            asked = self.fake.until(lambda m: m[0] == 0)
            self.assertEqual(asked[3][3], ms)
            self.fake.send([1, asked[1], None, 7])
            self.assertEqual(self.fake.answer(number), (None, 7))

    def test_more_parameters_than_known_are_a_newer_supds(self):
        for name, parameters in (
                ("tool", ["state", None, 0, None]), ("ping", []),
                ("command", ["says-plain", "x", {}, 0]), ("health", []),
                ("configure", [{"a": 1}]), ("export", []),
                ("import", [3, b"x", False, ""])):
            self.assertIsNone(self.fake.ask(name, *parameters, "new")[0], name)
        self.fake.send([2, "drain", ["new"]], [2, "resume", ["new"]],
                       [2, "cancel", [1, "new"]], [2, "credit", [1, 2, "new"]],
                       [2, "chunk", [1, b"", False, "new"]])
        self.fake.pong()

    def test_a_stream_that_fails_is_cut(self):
        number = self.fake.begin_http("GET", "/cut")
        self.assertEqual(self.fake.answer(number)[1][0], 200)
        self.assertEqual(self.fake.notification("chunk"),
                         [number, b"begun", True])
        self.assertEqual(self.fake.notification("cancel"), [number])
        self.fake.pong()

    def test_the_background_may_fail(self):
        self.assertEqual(self.fake.tool("spawns"), (None, None))
        texts = [self.fake.notification("log")[1] for _ in range(2)]
        self.assertTrue(any("in the background" in text for text in texts))
        self.assertTrue(any("ZeroDivisionError" in text for text in texts))

    # ---- cancels ----

    def cancelled(self):
        return self.fake.tool("state")[1][1]

    def test_a_cancel_ends_the_handler_and_is_answered(self):
        for name in ("wait", "stubborn"):
            number = self.fake.begin("tool", name, None, 0, None)
            self.fake.pong()
            self.fake.send([2, "cancel", [number]])
            self.assertEqual(self.fake.answer(number)[0][0], "cancelled")
        self.assertEqual(self.cancelled(), 2)

    def test_a_cancel_before_the_handler_began(self):
        self.fake.send([0, 900, "tool", ["wait", None, 0, None]],
                       [2, "cancel", [900]])
        self.assertEqual(self.fake.answer(900)[0][0], "cancelled")

    def test_a_cancelled_stream_ends_with_its_last_chunk(self):
        number = self.fake.begin_http("GET", "/forever")
        self.fake.answer(number)
        self.assertEqual(self.fake.notification("chunk"),
                         [number, b"begun", True])
        self.fake.send([2, "cancel", [number]])
        self.assertEqual(self.fake.notification("chunk"), [number, b"", False])
        self.assertEqual(self.cancelled(), 1)

    def test_a_cancel_while_credit_is_awaited(self):
        number = self.fake.begin_http("GET", "/big")
        self.fake.answer(number)
        self.fake.pong()
        self.fake.send([2, "cancel", [number]])
        self.fake.chunks(number, credit=False)

    def test_a_plain_handler_hears_of_a_cancel(self):
        number = self.fake.begin("tool", "asks", None, 0, None)
        self.assertEqual(self.fake.notification("log"), ["info", "asked"])
        self.fake.send([2, "cancel", [number]])
        self.assertEqual(self.fake.answer(number)[0][0], "cancelled")

    def test_who_asks_after_a_cancel_hears_of_it_all_the_same(self):
        number = self.fake.begin("tool", "asks-late", None, 0, None)
        self.assertEqual(self.fake.notification("log"), ["info", "asked"])
        self.fake.send([2, "cancel", [number]])
        self.assertEqual(self.fake.answer(number)[0][0], "cancelled")
        self.assertEqual(self.cancelled(), 1)

    # ---- WebSocket connections ----

    def open(self, path):
        place = [offer.get("path") for offer in self.fake.offers].index(path)
        self.assertEqual(self.fake.ask(
            "ws.open", 5, place, path, {}, "", [], "peer:1", None, 0),
            (None, [101, [], None]))

    def heard(self, count):
        """So many messages, with credit for each piece."""
        messages, whole = [], b""
        while len(messages) < count:
            _, _, piece, more = self.fake.notification("ws.message")
            self.fake.send([2, "credit", [5, len(piece)]])
            whole += piece
            if not more:
                messages.append(whole)
                whole = b""
        return messages

    def test_messages_of_many_tasks_go_out_one_after_the_other(self):
        self.open("/senders")
        self.fake.pong()
        self.fake.send([2, "ws.message", [5, 1, b"3", False]])
        self.fake.pong()
        self.assertEqual(sorted(self.heard(5)), [
            b"%d" % number * 100000 for number in (0, 1, 2, 4, 5)])

    def test_many_tasks_receive_a_message_each(self):
        self.open("/receivers")
        self.assertEqual(self.heard(1), [b"ready"])
        for text in (b"a", b"b", b"c"):
            self.fake.send([2, "ws.message", [5, 1, text, False]])
        self.assertEqual(sorted(self.heard(3)),
                         [b"0 has a", b"2 has b", b"3 has c"])
        self.fake.send([2, "ws.close", [5, 1000, ""]])

    # ---- drain ----

    def test_drained_comes_after_the_last_reply(self):
        number = self.fake.begin("tool", "block", None, 0, None)
        self.fake.send([2, "drain", []])
        self.fake.pong()
        self.assertEqual([m for m in self.fake.aside if m[1] == "drained"], [])
        other = self.fake.begin("tool", "release", None, 0, None)
        self.fake.answer(other)
        kinds = []
        while len(kinds) < 2:
            message = self.fake.receive()
            kinds.append(message[1])
        self.assertEqual(kinds, [number, "drained"])
        self.fake.send([2, "resume", []], [2, "drain", []])
        self.assertEqual(self.fake.notification("drained"), [])

    def test_pings_are_answered_while_all_threads_are_busy(self):
        numbers = [self.fake.begin("tool", "block", None, 0, None)
                   for _ in range(5)]
        self.fake.pong()
        self.fake.tool("release")
        for number in numbers:
            self.assertEqual(self.fake.answer(number), (None, True))

    # ---- the gateway ----

    def test_it_logs_emits_and_answers_commands(self):
        number = self.fake.begin("command", "says", "hey", {"c": 1}, 0)
        self.assertEqual(self.fake.answer(number), (None, "HEY"))
        self.assertEqual([m[2] for m in self.fake.aside], [
            ["error", "hey"], ["warn", "hey"], ["info", "hey"],
            ["debug", "hey"], ["warn", "from logging"],
            ["said", {"text": "hey", "context": {"c": 1}}, number]])
        self.fake.aside.clear()
        number = self.fake.begin("command", "says-plain", "ho", {}, 0)
        self.assertEqual(self.fake.answer(number), (None, "17"))
        self.assertEqual([m[2] for m in self.fake.aside],
                         [["info", "ho"], ["said", "ho", number]])

    def call(self, method, answer, timeout_ms):
        number = self.fake.begin(
            "method", method, {"name": "t", "args": [1]}, 0, None)
        asked = self.fake.until(lambda m: m[0] == 0)
        self.assertEqual(
            asked[2:], ["call", ["tool", "t", [1], timeout_ms, number]])
        self.fake.send([1, asked[1]] + answer)
        return self.fake.answer(number)

    def test_it_calls(self):
        self.assertEqual(self.call("calls", [None, {"r": 1}], 2500),
                         (None, {"r": 1}))
        self.assertEqual(self.call("calls", [["busy", "no"], None], 2500),
                         (["busy", "no"], None))
        self.assertEqual(self.call("calls-plain", [None, 3], 0), (None, 3))
        self.assertEqual(self.call("calls-plain", [["busy", "no"], None], 0),
                         (None, ["busy", "no"]))

    def test_threads(self):
        self.assertEqual(self.fake.tool("in-thread"), (None, True))

    # ---- health, settings, state ----

    def test_settings_are_taken_or_refused(self):
        self.assertEqual(self.fake.ask("configure", {"a": {"b": 6}}),
                         (None, None))
        self.assertEqual(self.fake.tool("state")[1][2], {"a": {"b": 6}})
        self.assertEqual(self.fake.ask("configure", {"bad": 1})[0][0],
                         "failed")
        self.assertEqual(self.fake.tool("state")[1][2], {"a": {"b": 6}})
        self.assertEqual(self.fake.ask("health"), (None, None))

    def test_small_state_goes_in_one_piece(self):
        blob = b"nothing"
        self.assertEqual(self.fake.ask("export"), (
            None, [3, blob, False, hashlib.sha256(blob).hexdigest()]))
        self.assertEqual(self.fake.ask("import", 3, b"abc"), (None, None))
        self.assertEqual(self.fake.tool("state")[1][0], 3)

    def test_large_state_goes_in_chunks(self):
        self.fake.tool("fill", 600000)
        number = self.fake.begin("export")
        _, (version, first, more, digest) = self.fake.answer(number)
        self.assertEqual((version, more), (3, True))
        blob = first + self.fake.chunks(number)
        self.assertEqual(blob, bytes(i & 0xff for i in range(600000)))
        self.assertEqual(hashlib.sha256(blob).hexdigest(), digest)
        self.fake.tool("fill", 1)
        number = self.fake.begin("import", 3, blob[:65536], True, digest)
        rest = blob[65536:]
        while rest:
            self.fake.send([2, "chunk", [number, rest[:32768],
                                         len(rest) > 32768]])
            rest = rest[32768:]
        self.assertEqual(self.fake.answer(number), (None, None))
        self.assertEqual(self.fake.tool("state")[1][0], 600000)

    def test_state_may_stand_right_behind_its_import(self):
        blob = bytes(200000)
        digest = hashlib.sha256(blob).hexdigest()
        self.fake.send(
            [0, 990, "import", [3, blob[:65536], True, digest]],
            [2, "chunk", [990, blob[65536:130000], True]],
            [2, "chunk", [990, blob[130000:], False]])
        self.assertEqual(self.fake.answer(990), (None, None))
        self.assertEqual(self.fake.tool("state")[1][0], 200000)

    def test_an_export_that_is_no_bytes_is_told(self):
        for value in (7, "text", [1, 2], None):
            self.fake.ask("configure", {"exports": value})
            error, _ = self.fake.ask("export")
            self.assertEqual(error[0], "failed", value)
            self.assertIn("bytes", error[1], value)

    def test_state_that_is_wrong_is_refused(self):
        self.assertEqual(self.fake.ask("import", 3, b"abc", False, "0" * 64)[0],
                         ["bad_message", "the state's checksum is wrong"])
        self.assertEqual(self.fake.ask("import", 2, b"abc")[0],
                         ["version", "only 3"])
        self.assertEqual(self.fake.tool("state")[1][0], 7)


class WireOnAsyncio(Wire):
    loop = "asyncio"


class WireWithoutMsgpack(Wire):
    environment = {"WITHOUT_MSGPACK": "1"}


class Ends(unittest.TestCase):
    """How a worker that does not serve ends."""

    def test_a_start_that_fails(self):
        for loop in ("light", "asyncio"):
            fake = Fake({"refuses": True}, loop)
            with self.assertRaises(Ended):
                fake.start()
            code, _, err = fake.end()
            self.assertEqual(code, 66)
            self.assertIn("it does not want to", err)

    def test_a_start_that_knows_its_settings_offers_more(self):
        for loop in ("light", "asyncio"):
            fake = Fake({"extra": 2}, loop).start()
            self.assertEqual([offer["name"] for offer in fake.offers[-2:]],
                             ["extra-0", "extra-1"])
            self.assertEqual(fake.tool("extra-1"), (None, 1))
            self.assertEqual(fake.end()[0], 0)

    def test_a_sick_plugin_says_so(self):
        fake = Fake({"sick": True}).start()
        self.assertEqual(fake.ask("health")[0], ["busy", "not well"])
        self.assertEqual(fake.end()[0], 0)

    def refused(self, answer):
        fake = Fake()
        hello = fake.receive()
        fake.send([1, hello[1]] + answer)
        with self.assertRaises(Ended):
            fake.receive()
        return fake.end()

    def test_a_refused_hello(self):
        code, _, err = self.refused([["version", "1 is not 2"], None])
        self.assertEqual(code, 68)
        self.assertIn("1 is not 2", err)

    def broken(self, data):
        for loop in ("light", "asyncio"):
            fake = Fake(loop=loop).start()
            fake.socket.sendall(data)
            with self.assertRaises((Ended, ConnectionError)):
                while True:
                    fake.receive()
            code, _, err = fake.end()
            self.assertEqual(code, 67)
            self.assertIn("supd.py: malformed message from supd", err)

    def test_bytes_that_are_no_frame(self):
        self.broken(b"\2" + struct.pack(">Q", 1) + b"\xc0")

    def test_a_frame_that_is_too_long(self):
        self.broken(b"\1" + struct.pack(">Q", 1 << 40))

    def test_a_frame_that_is_no_messagepack(self):
        self.broken(b"\1" + struct.pack(">Q", 2) + b"\x92\x01")

    def test_a_value_that_is_no_message(self):
        self.broken(b"\1" + struct.pack(">Q", 1) + b"\x07")
        self.broken(b"\1" + struct.pack(">Q", 4) + b"\x93\x00\x01\x90")

    def test_without_supd(self):
        done = subprocess.run(
            [sys.executable, os.path.join(os.path.dirname(
                os.path.abspath(__file__)), "python_plugin.py")],
            env={"PYTHONPATH": os.environ["SDK"], "PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 64)
        self.assertIn("SUPD_SOCKET is not set", done.stderr)


if __name__ == "__main__":
    unittest.main()

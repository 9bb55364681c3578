"""What telegram makes of settings, updates and answers."""
import json
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "plugins/telegram"),
                os.path.join(ROOT, "worker/python")]
import supd  # noqa: E402
import api  # noqa: E402
import exchange  # noqa: E402
import settings  # noqa: E402
import updates  # noqa: E402

TOKEN = "1001:abc-DEF_1"
ME = {"id": 1001, "username": "Some_bot"}


def update(number, text="hi", **more):
    return {"update_id": number, "message": dict({
        "message_id": number, "date": 1700000000, "text": text,
        "chat": {"id": 42, "type": "private"},
        "from": {"id": 7, "first_name": "Ann", "last_name": "B"}}, **more)}


def message(number=1, text="hi", **more):
    return updates.message_of(update(number, text, **more), ME)


class Settings(unittest.TestCase):
    def test_each_is_read(self):
        plain = settings.read({"token": TOKEN})
        self.assertEqual((plain.bot, plain.name, plain.mode, plain.host,
                          plain.port, plain.path, plain.poll_timeout),
                         ("1001", "telegram", "poll", "api.telegram.org", 443,
                          "", 50))
        other = settings.read({
            "token": TOKEN, "api": "http://127.0.0.1:8081/x/", "name": "t",
            "mode": "webhook", "poll_timeout": "5s", "connect_timeout": 1.5,
            "webhook": {"url": "https://a.b/c", "secret": "12345678"},
            "allowed_updates": ["message"]})
        self.assertEqual((other.scheme, other.port, other.path, other.url,
                          other.connect_timeout),
                         ("http", 8081, "/x", "https://a.b/c", 1.5))

    def test_what_makes_no_sense_is_named(self):
        for change, says in (
                ({"token": "abc"}, "token must be"), ({"token": 1}, "token"),
                ({"token": TOKEN + "\n"}, "token must be"),
                ({"tokens": 1}, "unknown setting tokens"),
                ({"api": "api.telegram.org"}, "api must be"),
                ({"api": "https://a:b@c"}, "api must be"),
                ({"api": "https://a:99999"}, "api must be"),
                ({"api": "https://a/b c"}, "api must be"),
                ({"api": "https://a/\r\nb"}, "api must be"),
                ({"mode": "push"}, "mode must be"),
                ({"mode": "webhook"}, "webhook must be"),
                ({"mode": "webhook", "webhook": {
                    "url": "https://a", "secret": "short"}}, "secret must"),
                ({"mode": "webhook", "webhook": {
                    "url": "a", "secret": "12345678"}}, "webhook.url must"),
                ({"poll_timeout": "2m"}, "poll_timeout must"),
                ({"connect_timeout": 0}, "connect_timeout must not"),
                ({"connect_timeout": True}, "connect_timeout must"),
                ({"allowed_updates": []}, "allowed_updates must"),
                ({"allowed_updates": ["poll"]}, "allowed_updates must"),
                ({"name": "a b"}, "name must"), ({"ca": 1}, "ca must")):
            with self.assertRaises(ValueError) as raised:
                settings.read(dict({"token": TOKEN}, **change))
            self.assertIn(says, str(raised.exception))
            self.assertNotIn(TOKEN, str(raised.exception))


class Updates(unittest.TestCase):
    def test_a_message(self):
        self.assertEqual(message(5), {
            "id": "42:5", "lane": "42", "at": 1700000000000, "text": "hi",
            "from": {"id": "7", "name": "Ann B", "verified": True},
            "chat": {"id": "42", "type": "direct"}})

    def test_edits_topics_and_answers(self):
        edit = update(9)
        edit["edited_message"] = dict(edit.pop("message"), edit_date=1700000001)
        found = updates.message_of(edit, ME)
        self.assertEqual((found["id"], found["edit_of"], found["at"]),
                         ("42:9:e9", "42:9", 1700000001000))
        found = message(message_thread_id=3, is_topic_message=True,
                        reply_to_message={"message_id": 3})
        self.assertEqual((found["lane"], found["thread"]), ("42/3", "3"))
        self.assertNotIn("reply_to", found)
        found = message(message_thread_id=3, reply_to_message={
            "message_id": 2, "from": {"id": 1001}})
        self.assertEqual((found["reply_to"], found["lane"],
                          found["mentioned"]), ("42:2", "42", True))

    def test_a_sender_is_who_telegram_vouches_for(self):
        found = message(sender_chat={"id": -100, "title": "The group"})
        self.assertEqual(found["from"], {
            "id": "-100", "name": "The group", "verified": True})
        post = update(1, chat={"id": -9, "type": "channel", "title": "News"})
        post["channel_post"] = post.pop("message")
        del post["channel_post"]["from"]
        found = updates.message_of(post, ME)
        self.assertEqual((found["from"]["id"], found["chat"]),
                         ("-9", {"id": "-9", "type": "channel"}))

    def test_commands_are_those_of_this_bot(self):
        for text, expected in (
                ("/a b", "/a b"), ("/a@some_BOT b", "/a b"),
                ("/a@Some_bot", "/a"), ("/a@other_bot b", "/a@other_bot b"),
                ("/a@some_bot\nb", "/a\nb"), ("x /a@Some_bot",) * 2,
                ("@Some_bot",) * 2, ("/",) * 2, ("/@some_bot", "/")):
            self.assertEqual(message(1, text)["text"], expected)

    def test_mentions_count_in_utf_16(self):
        text = "\U0001f600 @some_bot hi"
        for entities, is_mentioned in (
                ([{"type": "mention", "offset": 3, "length": 9}], True),
                ([{"type": "mention", "offset": 2, "length": 9}], False),
                ([{"type": "text_mention", "offset": 0, "length": 1,
                   "user": {"id": 1001}}], True),
                ([{"type": "mention", "offset": -3, "length": 10 ** 9}, 7,
                  {"type": []}, {"offset": "x", "length": 1, "type": 1}],
                 False), ("x", False)):
            found = message(1, text, entities=entities)
            self.assertEqual("mentioned" in found, is_mentioned)

    def test_media(self):
        found = message(1, None, caption="look", photo=[
            {"file_id": "a", "file_size": 1}, {"file_id": "b",
                                               "file_size": 2}])
        self.assertEqual((found["text"], found["media"]), (
            "look", [{"kind": "image", "file_id": "b", "size": 2}]))
        file = {"file_id": "c", "mime_type": "video/mp4", "file_name": "x"}
        found = message(1, None, document=file, animation=file)
        self.assertEqual(found["media"], [{
            "kind": "video", "file_id": "c", "type": "video/mp4",
            "name": "x"}])

    def test_what_nobody_can_read_is_no_message(self):
        self.assertIsNone(message(1, None, new_chat_title="x"))
        self.assertIsNone(updates.message_of({"update_id": 1, "poll": {}}, ME))

    def test_what_makes_no_sense_is_refused(self):
        for bad in ([], {}, {"update_id": "1"}, {"update_id": True},
                    {"update_id": -1}, {"update_id": 2 ** 60},
                    {"update_id": 1, "message": []},
                    update(1, chat=None), update(1, chat={"id": 1}),
                    update(1, chat={"id": "1", "type": "private"}),
                    update(1, message_id=2 ** 70), update(1, message_id=None),
                    {"update_id": 1, "message": update(
                        1, is_topic_message=True)["message"]},
                    update(1, **{"from": 7})):
            with self.assertRaises(updates.Malformed):
                updates.message_of(bad, ME)
        found = message(1, "a\ud800\0b", date="x", photo=[7], voice=[])
        self.assertEqual(found["text"], "a?\0b")
        supd.pack(found)


class Answers(unittest.TestCase):
    def failure(self, status, body):
        with self.assertRaises(api.Failed) as raised:
            api.result_of(status, body)
        return raised.exception

    def test_each_says_what_became_of_the_call(self):
        self.assertEqual(api.result_of(200, b'{"ok":true,"result":[1]}'), [1])
        for status, body, kind, says in (
                (400, {"description": "chat not found"}, "refused", "chat"),
                (403, {"description": "a\nb\x1b[1m"}, "refused", "a b [1m"),
                (401, {}, "later", "token"), (404, {}, "later", "token"),
                (409, {"description": "Conflict"}, "refused", "Conflict"),
                (502, {}, "unknown", "502"), (500, {}, "unknown", "500"),
                (302, {}, "refused", "redirect"), (200, {}, "unknown", "")):
            problem = self.failure(status, json.dumps(
                dict({"ok": False}, **body)).encode())
            self.assertEqual(problem.kind, kind, (status, body))
            self.assertIn(says, str(problem))
        self.assertEqual(self.failure(502, b"<html>").kind, "unknown")
        self.assertEqual(self.failure(413, b"<html>").kind, "refused")

    def test_times_and_chats_are_bounded(self):
        for given, seconds in ((7, 7), (10 ** 9, 3600), (-1, 1), ("x", 1),
                               (True, 1), (None, 1)):
            problem = self.failure(429, json.dumps({
                "parameters": {"retry_after": given}}).encode())
            self.assertEqual((problem.kind, problem.seconds),
                             ("later", seconds))
        self.assertEqual(self.failure(
            400, b'{"parameters":{"migrate_to_chat_id":-100}}').chat, -100)

    def test_what_is_no_answer_is_bounded(self):
        for body in (b"", b"{", b"[" * 100000, b"\xff", b"1" * 5000,
                     b"[]," * 300000, b" " * (exchange.ANSWER_MAX + 1)):
            with self.assertRaises(exchange.Unusable):
                exchange.parse(body)
        for body in b"[]", b"7", b"null":
            with self.assertRaises(exchange.Unusable):
                api.result_of(200, body)


if __name__ == "__main__":
    unittest.main()

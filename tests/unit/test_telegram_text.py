"""How telegram cuts texts, reads Markdown, and what it sends of both."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "plugins/telegram"),
                os.path.join(ROOT, "worker/python")]
import supd  # noqa: E402
import markdown  # noqa: E402
import outgoing  # noqa: E402
from parts import TEXT_MAX, Entity, split, units  # noqa: E402

EMOJI = "\U0001f600"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def texts(*arguments):
    return [text for text, _ in split(*arguments)]


class Cutting(unittest.TestCase):
    def test_short_texts_stay_whole(self):
        for text in "a", "x" * TEXT_MAX, EMOJI * (TEXT_MAX // 2), "a\n\nb":
            self.assertEqual(texts(text), [text])
        self.assertEqual(texts(""), [])
        self.assertEqual(texts(" \n "), [])

    def test_units_are_those_of_utf_16(self):
        self.assertEqual(units("a\u00e9\u4e2d" + EMOJI), 5)
        pieces = texts(EMOJI * 3000)
        self.assertEqual([len(piece) for piece in pieces], [2048, 952])
        self.assertEqual("".join(pieces), EMOJI * 3000)
        pieces = texts("x" + EMOJI * 3000)
        self.assertEqual([units(piece) for piece in pieces], [4095, 1906])

    def test_a_cut_is_between_paragraphs_lines_or_words(self):
        for mark in "\n\n", "\n", " ":
            self.assertEqual(texts("a" * 4000 + mark + "b" * 200),
                             ["a" * 4000, "b" * 200])
        both = "a" * 3500 + "\n" + "b" * 400 + " " + "c" * 400
        self.assertEqual(texts(both)[0], "a" * 3500)
        far = "a" * 100 + " " + "b" * 5000  # too far back
        self.assertEqual(len(texts(far)[0]), TEXT_MAX)

    def test_no_character_is_cut(self):
        for char in "e\u0301", "\u2764\ufe0f", FAMILY, "\U0001f44b\U0001f3fd":
            for before in range(8):
                text = "x" * (TEXT_MAX - before) + char + "y"
                for piece in texts(text):
                    self.assertTrue(char in piece or char[0] not in piece)

    def test_nothing_is_lost(self):
        for width in range(1, 40, 6):
            text = "".join(chr(97 + i % 26) * (i % width) + " " + EMOJI
                           for i in range(3000))
            pieces = texts(text)
            self.assertTrue(all(units(p) <= TEXT_MAX for p in pieces))
            self.assertEqual("".join(pieces).replace(" ", ""),
                             text.replace(" ", ""))

    def test_entities_are_cut_with_the_text(self):
        text = EMOJI + "a" * 5000
        first, second = split(text, [Entity("bold", 0, 5001),
                                     Entity("code", 4500, 4502)])
        self.assertEqual(first[1], [
            {"type": "bold", "offset": 0, "length": 4096}])
        self.assertEqual(second[1], [
            {"type": "bold", "offset": 0, "length": 906},
            {"type": "code", "offset": 405, "length": 2}])

    def test_the_first_piece_may_be_shorter(self):
        self.assertEqual([len(each) for each in texts("x" * 6000, (), 1000)],
                         [1000, 4096, 904])


def read(text):
    plain, entities = markdown.read(text)
    return plain, [(each.kind, plain[each.begin:each.end])
                   for each in entities]


class Markdown(unittest.TestCase):
    def test_what_is_understood(self):
        for text, plain, entities in (
                ("**a**", "a", [("bold", "a")]),
                ("__a b__", "a b", [("bold", "a b")]),
                ("*a* _b_", "a b", [("italic", "a"), ("italic", "b")]),
                ("~~a~~||b||", "ab", [("strikethrough", "a"),
                                      ("spoiler", "b")]),
                ("`a*b*`", "a*b*", [("code", "a*b*")]),
                ("```py\na\n```", "a\n", [("pre", "a\n")]),
                ("```a```", "a", [("pre", "a")]),
                ("# Head\nx", "Head\nx", [("bold", "Head")]),
                ("**a *b* c**", "a b c", [("bold", "a b c"),
                                          ("italic", "b")]),
                ("[a **b**](https://x.y/z?q=1)", "a b",
                 [("text_link", "a b"), ("bold", "b")]),
                ("a\\*b\\*", "a*b*", [])):
            self.assertEqual(read(text), (plain, entities), text)
        _, entities = markdown.read("```py\na```[l](http://x)")
        self.assertEqual(entities[0].extra, {"language": "py"})
        self.assertEqual(entities[1].extra, {"url": "http://x"})

    def test_what_is_not_stays(self):
        for text in ("2 * 3 * 4", "snake_case_name", "**", "****", "a ** b",
                     "*a", "a*", "`", "```", "``", "[a]", "[a](b)", "](",
                     "[](http://x)", "[a](javascript:b)", "#no", "a # b",
                     "\\", "\\a", "<b>&amp;</b>", "__init__x", "||", "[[[",
                     "*a **b"):
            self.assertEqual(read(text), (text, []), text)

    def test_marks_that_cross_do_no_harm(self):
        for text in "*a **b* c**", "**a [b** c](http://x)", "_a *b_ c*":
            plain, entities = markdown.read(text)
            for each in entities:
                self.assertTrue(0 <= each.begin < each.end <= len(plain))

    def test_time_grows_with_the_length(self):
        """By its square, this would not end within the limit of a test."""
        for text in ("`", "``` ", "[", "*", "**a", "_a ", "](", "[a](http://",
                     "*a* ", "# a\n", "\\", "~~||", "**a*b_c~~"):
            plain, entities = markdown.read(text * (64 * 1024 // len(text)))
            pieces = split(plain[:32 * 1024], entities)
            self.assertTrue(all(len(found) <= 100 for _, found in pieces))


class Sending(unittest.TestCase):
    def calls(self, content, **target):
        return outgoing.calls_of(dict({"chat": "42"}, **target), content)

    def test_a_text_becomes_messages(self):
        calls = self.calls({"text": "hi"}, thread="5", reply_to="42:9")
        self.assertEqual(calls, [
            ("sendMessage", {
                "text": "hi", "entities": [], "chat_id": 42,
                "message_thread_id": 5, "reply_parameters": {
                    "message_id": 9, "allow_sending_without_reply": True}})])
        for reply_to, more in (("41:9", {"chat_id": 41}), ("42:9:e7", {})):
            calls = self.calls({"text": "hi"}, reply_to=reply_to)
            self.assertEqual(calls[0][1]["reply_parameters"], dict({
                "message_id": 9, "allow_sending_without_reply": True}, **more))
        calls = self.calls({"text": "x" * 5000}, reply_to="9")
        self.assertEqual(len(calls), 2)
        self.assertNotIn("reply_parameters", calls[1][1])
        calls = self.calls({"text": "*a*", "format": "markdown"})
        self.assertEqual(calls[0][1]["entities"], [
            {"type": "italic", "offset": 0, "length": 1}])
        self.assertEqual(self.calls({"text": "*a*"})[0][1]["text"], "*a*")

    def test_media_go_by_url_with_a_caption(self):
        image = {"kind": "image", "url": "https://x.y/z.png"}
        calls = self.calls({"text": "look", "media": [image]})
        self.assertEqual([call[0] for call in calls], ["sendPhoto"])
        self.assertEqual(calls[0][1]["photo"], "https://x.y/z.png")
        self.assertEqual(calls[0][1]["caption"], "look")
        calls = self.calls({"text": "x" * 2000, "media": [
            image, {"kind": "file", "file_id": "AgAD"}]})
        self.assertEqual([call[0] for call in calls],
                         ["sendPhoto", "sendDocument", "sendMessage"])

    def test_what_cannot_be_sent_is_not(self):
        for content, target in (
                ({}, {}), ({"text": " \n"}, {}),
                ({"text": "a"}, {"chat": "ann"}),
                ({"text": "a"}, {"thread": "x"}),
                ({"text": "a"}, {"reply_to": "42:"}),
                ({"text": "a"}, {"reply_to": "x:1"}),
                ({"text": "x" * 70000}, {}),
                ({"media": [{"kind": "image", "path": "/etc/passwd"}]}, {}),
                ({"media": [{"kind": [], "url": "file:///etc/passwd"}]}, {}),
                ({"media": [7]}, {}), ({"media": [{"url": "//["}]}, {}),
                ({"media": [{"url": "http://x"}] * 41}, {})):
            with self.assertRaises(supd.NotSent):
                self.calls(content, **target)

    def test_actions(self):
        target = {"chat": "-42", "thread": "3"}
        for action, args, expected in (
                ("typing", None, ("sendChatAction", {
                    "chat_id": -42, "message_thread_id": 3,
                    "action": "typing"})),
                ("delete", {"id": "-42:7"}, ("deleteMessage", {
                    "chat_id": -42, "message_id": 7})),
                ("react", {"id": "7", "emoji": "\U0001f44d"}, (
                    "setMessageReaction", {
                        "chat_id": -42, "message_id": 7, "reaction": [
                            {"type": "emoji", "emoji": "\U0001f44d"}]})),
                ("edit", {"id": "-42:7:e99", "text": "b"}, (
                    "editMessageText", {
                        "chat_id": -42, "message_id": 7, "text": "b",
                        "entities": []}))):
            args = args or {}
            self.assertEqual(outgoing.act_call(
                action, dict(target, id=args.pop("id", None)), args),
                expected)
        for action, args in (("delete", {}), ("edit", {"id": "1"}),
                             ("react", {"id": "x"}), ("edit", None),
                             ("delete", {"id": "41:7"}),
                             ("edit", {"id": "7", "text": "x" * 99999})):
            with self.assertRaises(supd.NotSent):
                outgoing.act_call(action, dict(
                    target, id=(args or {}).pop("id", None)), args)


if __name__ == "__main__":
    unittest.main()

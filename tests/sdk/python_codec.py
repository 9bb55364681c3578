"""The MessagePack of supd.py, its own and the library's: the same values there
and back, and malformed bytes refused by both, at once and within bounds."""
import os
import struct
import sys
import time
import tracemalloc
import unittest

sys.path.insert(0, os.environ["SDK"])
import supd  # noqa: E402

VALUES = [
    None, True, False, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1,
    2**32, 2**63, 2**64 - 1, -1, -32, -33, -128, -129, -32768, -32769,
    -2**31, -2**31 - 1, -2**63, 0.0, -1.5, 1e300, "", "a", "\u00e9" * 15,
    "\u00e9" * 16, "x" * 31, "x" * 32, "x" * 255, "x" * 256, "x" * 65536,
    b"", b"\0\xff", b"x" * 255, b"x" * 256, b"x" * 65536, [], [1, [2, [3]]],
    list(range(15)), list(range(16)), list(range(70000)), {}, {"a": {"b": []}},
    {str(i): i for i in range(15)}, {str(i): i for i in range(16)},
    {str(i): i for i in range(70000)},
]

# name: bytes that are no value, or claim more than there is
MALFORMED = {
    "a cut integer": b"\xcd\x01",
    "a cut double": b"\xcb\0\0",
    "a cut length": b"\xdb\0\0",
    "a cut text": b"\xa5abc",
    "a text of 4 GiB": b"\xdb\xff\xff\xff\xffabc",
    "bytes of 4 GiB": b"\xc6\xff\xff\xff\xffabc",
    "an array of 4 G": b"\xdd\xff\xff\xff\xff\xc0",
    "a map of 4 G": b"\xdf\xff\xff\xff\xff\xc0\xc0",
    "an array of one too many": b"\x93\x01\x02",
    "a map of a key alone": b"\x81\xa1a",
    "arrays of 4 G in one another": b"\xdd\xff\xff\xff\xff" * 20,
    "a text that is no UTF-8": b"\xa2\xff\xfe",
    "the tag that means nothing": b"\xc1",
    "a key that is a number": b"\x81\x01\x02",
    "an extension": b"\xd4\x05\0",
    "a value, then half of one": b"\x01\xa5abc",
}


def codecs():
    yield "own", (supd.pack, supd.unpack_all)
    try:
        yield "library", supd.library_codec()
    except ImportError:
        pass


class Codec(unittest.TestCase):
    def each(self):
        for name, (pack, unpack_all) in codecs():
            with self.subTest(codec=name):
                yield pack, unpack_all

    def test_values_come_back_as_they_were(self):
        for pack, unpack_all in self.each():
            for value in VALUES:
                self.assertEqual(unpack_all(pack(value)), [value])

    def test_each_reads_what_the_other_wrote(self):
        all_codecs = list(codecs())
        for _, (pack, _) in all_codecs:
            for _, (_, unpack_all) in all_codecs:
                data = b"".join(map(pack, VALUES))
                if len(data) > supd.MESSAGE_MAX:
                    self.assertEqual(supd.unpack_all(data), VALUES)
                else:
                    self.assertEqual(unpack_all(data), VALUES)

    def test_every_width_of_an_integer_is_read(self):
        for _, unpack_all in self.each():
            for tag, form, value in (
                    (0xcc, ">B", 200), (0xcd, ">H", 3), (0xce, ">I", 3),
                    (0xcf, ">Q", 3), (0xd0, ">b", -3), (0xd1, ">h", -300),
                    (0xd2, ">i", -3), (0xd3, ">q", 3), (0xca, ">f", 0.5)):
                data = bytes([tag]) + struct.pack(form, value)
                self.assertEqual(unpack_all(data), [value])

    def test_malformed_bytes_are_refused(self):
        for _, unpack_all in self.each():
            for name, data in MALFORMED.items():
                with self.subTest(name), self.assertRaises(supd.Malformed):
                    unpack_all(data)

    def test_no_prefix_of_a_message_is_taken_for_one(self):
        message = supd.pack([0, 7, "http", ["a", b"b", {"c": [1.5, -9]}]])
        for _, unpack_all in self.each():
            for length in range(1, len(message)):
                with self.assertRaises(supd.Malformed):
                    unpack_all(message[:length])

    def test_a_claim_costs_no_memory(self):
        for _, unpack_all in self.each():
            tracemalloc.start()
            for data in MALFORMED.values():
                try:
                    unpack_all(data)
                except supd.Malformed:
                    pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            self.assertLess(peak, 4 * 1024 * 1024)

    def test_depth_is_bounded(self):
        deep = b"\x91" * 100000 + b"\xc0"
        with self.assertRaises(supd.Malformed):
            supd.unpack_all(deep)
        for _, unpack_all in self.each():
            with self.assertRaises(supd.Malformed):
                unpack_all(deep)
        value = None
        for _ in range(supd.DEPTH_MAX):
            value = [value]
        self.assertEqual(supd.unpack_all(supd.pack(value)), [value])
        with self.assertRaises(ValueError):
            supd.pack([value])
        supd.check_json(value, supd.DEPTH_MAX)
        with self.assertRaises(ValueError):
            supd.check_json(value, supd.DEPTH_MAX - 1)

    def test_what_cannot_be_sent_is_said(self):
        for pack, unpack_all in self.each():
            for value, problem in ((object(), TypeError),
                                   (2**64, OverflowError),
                                   ([set()], TypeError)):
                with self.assertRaises(problem):
                    pack(value)
            # and nothing of it is left in the next one
            self.assertEqual(unpack_all(pack([1])), [[1]])

    def test_keys_are_texts(self):
        for value in ({1: 2}, [{"a": {2: 3}}]):
            with self.assertRaises(TypeError):
                supd.pack(value)
            with self.assertRaises(TypeError):
                supd.check_json(value, supd.DEPTH_MAX - 1)

    def test_random_bytes_end_in_values_or_malformed(self):
        state = 12345
        began = time.monotonic()
        for _, unpack_all in self.each():
            for _ in range(2000):
                data = bytearray()
                for _ in range(40):
                    state = (state * 1103515245 + 12345) & 0x7fffffff
                    data.append(state >> 16 & 0xff)
                try:
                    self.assertIsInstance(unpack_all(bytes(data)), list)
                except supd.Malformed:
                    pass
        self.assertLess(time.monotonic() - began, 60)


class Json(unittest.TestCase):
    def test_the_quick_encoder_says_what_the_package_says(self):
        import json
        for value in (None, True, 1, 1.5, "\u00e9\"\n", [1, "a", None],
                      {"a": {"b": [1, 2]}}, [], {}, "\u2028"):
            self.assertEqual(supd.to_json(value), json.dumps(
                value, ensure_ascii=False, separators=(",", ":")))
        with self.assertRaises(TypeError):
            supd.to_json(object())


class Events(unittest.TestCase):
    def test_an_event_has_a_line_for_each_line(self):
        self.assertEqual(
            bytes(supd.Event("a\nb", event="e", id=3, retry=10)),
            b"event: e\nid: 3\nretry: 10\ndata: a\ndata: b\n\n")
        self.assertEqual(bytes(supd.Event({"a": 1})), b'data: {"a":1}\n\n')

    def test_a_name_cannot_bring_lines_of_its_own(self):
        with self.assertRaises(ValueError):
            bytes(supd.Event("a", event="x\ndata: y"))


if __name__ == "__main__":
    unittest.main()

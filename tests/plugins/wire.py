"""wire: SP framing and MessagePack by hand, no more than the raw test plugins
need. Copied into the package of each of them."""
import select
import socket
import struct
import sys

GREETING = b"\0SP\0\0\x10\0\0"  # pair0


# ---- MessagePack ----

def pack(value):
    if value is None:
        return b"\xc0"
    if value is True:
        return b"\xc3"
    if value is False:
        return b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        if value < 0:
            return b"\xd3" + struct.pack(">q", value)
        return b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\xdb" + struct.pack(">I", len(text)) + text
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, (list, tuple)):
        return (b"\xdd" + struct.pack(">I", len(value))
                + b"".join(map(pack, value)))
    if isinstance(value, dict):
        return (b"\xdf" + struct.pack(">I", len(value))
                + b"".join(pack(k) + pack(v) for k, v in value.items()))
    raise TypeError(type(value))


NUMBERS = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I",
           0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
LENGTHS = {0xc4: ">B", 0xc5: ">H", 0xc6: ">I", 0xd9: ">B", 0xda: ">H",
           0xdb: ">I", 0xdc: ">H", 0xdd: ">I", 0xde: ">H", 0xdf: ">I"}


def number(data, at, form):
    size = struct.calcsize(form)
    return struct.unpack_from(form, data, at)[0], at + size


def unpack(data, at):
    """The value at `at` and the place after it."""
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xe0:
        return tag - 256, at
    if tag in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[tag], at
    if tag in NUMBERS:
        return number(data, at, NUMBERS[tag])
    if tag in LENGTHS:
        length, at = number(data, at, LENGTHS[tag])
    elif tag < 0x90:
        length = tag & 15
    elif tag < 0xa0:
        length = tag & 15
    elif tag < 0xc0:
        length = tag & 31
    else:
        raise ValueError("unknown MessagePack tag %#x" % tag)
    if tag in (0xc4, 0xc5, 0xc6):
        return data[at:at + length], at + length
    if tag in (0xd9, 0xda, 0xdb) or 0xa0 <= tag < 0xc0:
        return data[at:at + length].decode(), at + length
    if tag in (0xdc, 0xdd) or 0x90 <= tag < 0xa0:
        items = []
        for _ in range(length):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    items = {}
    for _ in range(length):
        key, at = unpack(data, at)
        items[key], at = unpack(data, at)
    return items, at


# ---- the link ----

class Link:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(GREETING)
        self.input = bytearray()
        while len(self.input) < 8:
            self.read()
        if self.input[:8] != GREETING:
            sys.exit("supd does not speak pair0")
        del self.input[:8]

    def read(self):
        piece = self.socket.recv(256 * 1024)
        if not piece:
            sys.exit(0)  # supd closed the socket: the normal end
        self.input += piece

    def send(self, *objects):
        data = b"".join(map(pack, objects))
        self.socket.sendall(b"\1" + struct.pack(">Q", len(data)) + data)

    def receive(self, timeout=None):
        """The objects of the messages that are there, waiting for the first
        at most timeout seconds (None: for ever)."""
        if select.select([self.socket], [], [], timeout)[0]:
            self.read()
        while len(self.input) >= 9:
            kind, size = struct.unpack_from(">BQ", self.input)
            if kind != 1:
                sys.exit("supd sent a frame of kind %d" % kind)
            if len(self.input) < 9 + size:
                return
            data, at = bytes(self.input[9:9 + size]), 0
            del self.input[:9 + size]
            while at < size:
                value, at = unpack(data, at)
                yield value

"""supd: plugins for the gateway supd in Python, with nothing but this file.

    # plugin.yaml                       # main.py, complete
    name: shelf                         import supd
    version: 1.0.0
    exec: [python3, main.py]            plugin = supd.Plugin("shelf", "1.0.0")
    state: {export: true}               books = {}
    settings: {greeting: Hello}

    @plugin.http("GET", "/hello/{name}")
    async def hello(req):                       # a value is sent as JSON
        return {plugin.setting("greeting", "Hello"): req.params["name"]}

    @plugin.http("PUT", "/books/{title}")
    async def put(req):
        books[req.params["title"]] = await req.body()     # all of it, as bytes
        return 201, {"books": len(books)}                 # a status and a value

    @plugin.http("POST", "/length", body_limit=1 << 40)
    async def length(req):
        total = 0
        async for piece in req.stream():        # as it arrives; if this waits,
            total += len(piece)                 # the client waits
        return total

    @plugin.http("GET", "/clock")
    async def clock(req):                       # pieces: a streamed answer;
        while True:                             # Events: text/event-stream
            yield supd.Event("tick")
            await supd.sleep(plugin.setting("interval", 1))

    @plugin.http("GET", "/report")
    def report(req):                            # no `async`: may block, since
        return supd.Response(200, {"Content-Type": "text/csv"}, slow_query())

    @plugin.websocket("/chat/{room}", protocols=["chat"])
    async def chat(ws):                         # one client's connection
        state = (ws.moved or {}).get("blob") or b"0"   # after a reload
        ws.on_move = lambda: state              # for the next worker
        async for message in ws:                # str or bytes, in order
            await ws.send(message)              # waits for a slow client

    @plugin.tool("add", "adds", schema={"type": "object"})
    async def add(args):
        if "a" not in args:
            raise supd.Error("bad_message", "a is missing")
        return args["a"] + args["b"]

    @plugin.command("books", help="counts the books")
    async def count(text, req):                 # a second parameter is `req`
        return "%d books" % len(books)

    @plugin.export_state(version=1)             # in the old worker
    def save():
        return json.dumps(books).encode()

    @plugin.import_state                        # in the new one
    def load(version, blob):
        books.update(json.loads(blob))

    plugin.run()                                # never returns

Handlers. `async def` handlers run on one loop. Plain ones run in a pool of
`threads` (8) threads and may block; `inline=True` runs one on the loop, for
short computations. The loop is a small one in this file, because importing
asyncio takes longer than the rest of a start. If asyncio has been imported
before run(), by the plugin or by a module of it, the loop is asyncio's, and
handlers may await anything. Otherwise they may await what this file has:
req.body(), req.stream(), plugin.call(), supd.sleep(), plugin.in_thread().

Answers. None is 204, a str text/plain, bytes application/octet-stream, any
other value JSON; (status, value) and (status, value, headers) add to that, and
a Response says everything. An async generator, a generator (run in the pool),
or either as the body of a Response, is sent piece by piece, no faster than the
client reads. Tools and methods answer with a value, commands with a string.

Values. A value (a JSON answer, the result of a tool or method, the data of an
event, the arguments of a call) consists of lists, tuples, dicts with str keys,
str, int from -2**63 to 2**63 - 1, float, bool and None. NaN, Infinity, bytes,
other keys and other types raise NotJson, which names the path ("$.a[2]: NaN is
not JSON"). req.json() is as strict: a duplicate key, a larger number, or
anything else that is not JSON is bad_message.

Errors. An exception is logged with its traceback; the answer is 500 for http,
`failed` for others. supd.Error(code, text) becomes that error (codes: ERRORS).
An exception in the middle of a stream ends the stream. None of these ends the
worker.

Cancelling. When nobody waits for the answer any more, an async handler gets
supd.Cancelled (asyncio.CancelledError where asyncio runs) at its next await; a
plain one can check `req.cancelled`, or pass a function to `req.on_cancel`,
which is called on the loop.

Units. Times are seconds as float, sizes bytes. Only Plugin.post(), log(),
emit(), in_thread() and, in plain handlers, call() may be called from other
threads. stdout and stderr go to the plugin's log. When supd closes the link,
the process ends at once, without exit handlers.
"""
import os
import select
import sys
import time
from struct import Struct, error as _StructError

try:  # importing `socket` takes as long as this whole file
    from _socket import AF_UNIX, SOCK_STREAM, socket as _Socket
except ImportError:
    from socket import AF_UNIX, SOCK_STREAM, socket as _Socket
try:
    from _collections import deque
except ImportError:
    from collections import deque
try:
    from _contextvars import ContextVar, copy_context
except ImportError:
    from contextvars import ContextVar, copy_context

__version__ = "0.1.0"
__all__ = ["Plugin", "Request", "Response", "Event", "WebSocket", "Error",
           "NotJson", "Closed", "Cancelled", "events", "sleep", "ERRORS",
           "Verdict", "change", "stop", "claim", "Channel", "Stopped",
           "NotSent", "Retry"]

PROTOCOL = 1
ERRORS = ("bad_message", "version", "denied", "not_found", "conflict", "busy",
          "timeout", "cancelled", "too_large", "failed")
MESSAGE_MAX = 1024 * 1024  # bytes of one message on the wire
DEPTH_MAX = 32             # nesting of values
BATCH_BYTES = 60 * 1024    # a batch is cut after these
CHUNK_BYTES = 32 * 1024    # so that short answers get between
STATE_MAX = 16 * 1024 * 1024
LOG_MAX = 16 * 1024
EXIT_DONE, EXIT_USAGE, EXIT_INIT, EXIT_LINK, EXIT_REFUSED = 0, 64, 66, 67, 68


class Error(Exception):
    """An error as answer: one of ERRORS, and a message for the caller.
    call() raises it too."""

    def __init__(self, code, text=""):
        super().__init__(code, text)
        self.code = code if code in ERRORS else "failed"
        self.text = text

    def __str__(self):
        return "%s: %s" % (self.code, self.text)


class _LightCancelled(BaseException):
    """Nobody waits for the answer any more."""


Cancelled = _LightCancelled
if "asyncio" in sys.modules:
    Cancelled = sys.modules["asyncio"].CancelledError


class Closed(Exception):
    """The WebSocket connection is closed, or another worker has it."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason

    def __str__(self):
        return "closed: %d %s" % (self.code, self.reason)


class Stopped(Exception):
    """The channel is stopped, or not started: the message was not taken, and
    must not be acknowledged; the platform gives it again."""


class NotSent(Exception):
    """From the send of a channel: it certainly did not go out, and is not to be
    tried again."""


class Retry(Exception):
    """From the send of a channel: it did not go out, and is to be sent again
    after that many seconds."""

    def __init__(self, seconds=1, text=""):
        super().__init__(seconds, text)
        self.seconds = seconds


class Malformed(ValueError):
    """Bytes that are not MessagePack, or not a message."""


# ---- MessagePack ----
# Enough for the wire: nil, bool, int, float, str, bin, array, map with str
# keys. A count is accepted only if that many bytes are left.

_U16, _U32, _U64 = Struct(">H"), Struct(">I"), Struct(">Q")
_NUMBERS = {0xca: Struct(">f"), 0xcb: Struct(">d"), 0xcc: Struct(">B"),
            0xcd: _U16, 0xce: _U32, 0xcf: _U64, 0xd0: Struct(">b"),
            0xd1: Struct(">h"), 0xd2: Struct(">i"), 0xd3: Struct(">q")}
_F64, _I64 = _NUMBERS[0xcb], _NUMBERS[0xd3]
_CONSTANTS = {0xc0: None, 0xc2: False, 0xc3: True}
_BIN, _STR, _ARRAY, _MAP = range(4)
# tag -> (what, bytes of its length)
_SIZED = {0xc4: (_BIN, 1), 0xc5: (_BIN, 2), 0xc6: (_BIN, 4),
          0xd9: (_STR, 1), 0xda: (_STR, 2), 0xdb: (_STR, 4),
          0xdc: (_ARRAY, 2), 0xdd: (_ARRAY, 4),
          0xde: (_MAP, 2), 0xdf: (_MAP, 4)}


def _pack_head(out, small, small_max, tags, length):
    if length <= small_max:
        out.append(bytes((small | length,)))
    elif length <= 0xff and tags[0]:
        out.append(bytes((tags[0], length)))
    elif length <= 0xffff:
        out.append(bytes((tags[1],)) + _U16.pack(length))
    elif length <= 0xffffffff:
        out.append(bytes((tags[2],)) + _U32.pack(length))
    else:
        raise ValueError("too long for MessagePack")


def _pack_int(out, value):
    if -32 <= value < 128:
        out.append(bytes((value & 0xff,)))
    elif 0 <= value <= 0xffff:
        out.append(b"\xcd" + _U16.pack(value))
    elif 0 <= value <= 0xffffffff:
        out.append(b"\xce" + _U32.pack(value))
    elif 0 <= value <= 0xffffffffffffffff:
        out.append(b"\xcf" + _U64.pack(value))
    elif -1 << 63 <= value < 0:
        out.append(b"\xd3" + _I64.pack(value))
    else:
        raise OverflowError("an integer of more than 64 bits")


def _pack_into(out, value, depth):
    if value is None:
        out.append(b"\xc0")
    elif value is True:
        out.append(b"\xc3")
    elif value is False:
        out.append(b"\xc2")
    elif isinstance(value, str):
        text = value.encode()
        _pack_head(out, 0xa0, 31, (0xd9, 0xda, 0xdb), len(text))
        out.append(text)
    elif isinstance(value, int):
        _pack_int(out, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _pack_head(out, 0, -1, (0xc4, 0xc5, 0xc6), len(value))
        out.append(bytes(value))
    elif isinstance(value, float):
        out.append(b"\xcb" + _F64.pack(value))
    elif depth >= DEPTH_MAX:
        raise ValueError("a value nested deeper than %d" % DEPTH_MAX)
    elif isinstance(value, (list, tuple)):
        _pack_head(out, 0x90, 15, (0, 0xdc, 0xdd), len(value))
        for item in value:
            _pack_into(out, item, depth + 1)
    elif isinstance(value, dict):
        _pack_head(out, 0x80, 15, (0, 0xde, 0xdf), len(value))
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError("a key must be a str, not %r" % (key,))
            _pack_into(out, key, depth + 1)
            _pack_into(out, item, depth + 1)
    else:
        raise TypeError("cannot send a %s" % type(value).__name__)


def pack(value):
    """A value of a message (also bytes) as MessagePack. TypeError, ValueError,
    OverflowError."""
    out = []
    _pack_into(out, value, 0)
    return b"".join(out)


def _unpack_array(data, at, end, count, depth):
    if count > end - at:
        raise Malformed("a count larger than the data")
    if depth > DEPTH_MAX:
        raise Malformed("nested deeper than %d" % DEPTH_MAX)
    return _unpack(data, at, end, count, depth)


def _unpack_map(data, at, end, count, depth):
    flat, at = _unpack_array(data, at, end, 2 * count, depth)
    keys = flat[::2]
    for key in keys:
        if type(key) is not str:
            raise Malformed("a key that is not a str")
    return dict(zip(keys, flat[1::2])), at


def _unpack_sized(data, at, end, tag, depth):
    """A value that is preceded by its length."""
    what, size = _SIZED[tag]
    if at + size > end:
        raise Malformed("cut short")
    length = int.from_bytes(data[at:at + size], "big")
    at += size
    if what == _ARRAY:
        return _unpack_array(data, at, end, length, depth + 1)
    if what == _MAP:
        return _unpack_map(data, at, end, length, depth + 1)
    stop = at + length
    if stop > end:
        raise Malformed("cut short")
    piece = data[at:stop]
    return (piece.decode() if what == _STR else piece), stop


def _unpack(data, at, end, count, depth):
    """That many values from `at` on, and the offset after them. One long
    function, because a call for each value would take most of the time."""
    items = []
    add = items.append
    for _ in range(count):
        tag = data[at]
        at += 1
        if tag < 0x80:
            add(tag)
        elif 0xa0 <= tag < 0xc0 or tag == 0xd9:
            if tag == 0xd9:
                stop = at + 1 + data[at]
                at += 1
            else:
                stop = at + (tag & 31)
            if stop > end:
                raise Malformed("cut short")
            add(data[at:stop].decode())
            at = stop
        elif tag == 0xc4:
            stop = at + 1 + data[at]
            if stop > end:
                raise Malformed("cut short")
            add(data[at + 1:stop])
            at = stop
        elif 0x90 <= tag < 0xa0:
            value, at = _unpack_array(data, at, end, tag & 15, depth + 1)
            add(value)
        elif tag < 0x90:
            value, at = _unpack_map(data, at, end, tag & 15, depth + 1)
            add(value)
        elif tag in _NUMBERS:
            number = _NUMBERS[tag]
            add(number.unpack_from(data, at)[0])
            at += number.size
        elif tag in _CONSTANTS:
            add(_CONSTANTS[tag])
        elif tag >= 0xe0:
            add(tag - 256)
        elif tag in _SIZED:
            value, at = _unpack_sized(data, at, end, tag, depth)
            add(value)
        else:
            raise Malformed("the unknown tag %#x" % tag)
    return items, at


def unpack_all(data):
    """All values in the bytes, as a list. Malformed."""
    at, end, values = 0, len(data), []
    try:
        while at < end:
            value, at = _unpack(data, at, end, 1, 0)
            values += value
    except IndexError:
        raise Malformed("cut short") from None
    except (UnicodeDecodeError, _StructError) as problem:
        raise Malformed(str(problem)) from None
    return values


def _no_ext(code, data):
    raise Malformed("an extension type")


def library_codec():
    """pack and unpack_all by the package `msgpack`; ImportError."""
    import msgpack
    packer = msgpack.Packer(use_bin_type=True)

    def library_pack(value):
        try:
            return packer.pack(value)
        except Exception:
            packer.reset()
            return pack(value)  # says it in our words, or takes it

    def library_unpack_all(data):
        if len(data) > MESSAGE_MAX:
            raise Malformed("too long")
        unpacker = msgpack.Unpacker(
            raw=False, ext_hook=_no_ext, max_buffer_size=MESSAGE_MAX,
            max_array_len=len(data), max_map_len=len(data))
        unpacker.feed(data)
        try:
            values = []
            while unpacker.tell() < len(data):
                values.append(unpacker.unpack())
            return values
        except Malformed:
            raise
        except msgpack.OutOfData:
            raise Malformed("cut short") from None
        except Exception as problem:
            raise Malformed(str(problem)) from None

    return library_pack, library_unpack_all


# ---- JSON: the encoder without the package, which costs 5 ms to import ----

class NotJson(TypeError, ValueError):
    """A value that JSON cannot represent; the message has its path."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text
        self.path = []  # from the inside out

    def __str__(self):
        steps = []
        for step in reversed(self.path):
            if isinstance(step, int):
                steps.append("[%d]" % step)
            elif step.isidentifier() and step.isascii():
                steps.append("." + step)
            else:
                steps.append("[%s]" % ascii(step[:40]))
        return "$%s: %s" % ("".join(steps)[:200], self.text)


_INT_MAX = 2**63 - 1
_JSON_DEPTH_MAX = 500  # where the wire does not bound it


def _check_key(key):
    if not isinstance(key, str):
        raise NotJson("a key must be a str, not %s" % ascii(key)[:40])
    if "\0" in key:
        raise NotJson("a key must not contain NUL")
    _check_scalar(key)


def _check_scalar(value):
    if isinstance(value, str):
        try:
            value.isascii() or value.encode()
        except UnicodeEncodeError:
            raise NotJson("a str with an unpaired surrogate") from None
    elif isinstance(value, int):
        if not -_INT_MAX - 1 <= value <= _INT_MAX:
            raise NotJson("an int must be from -2**63 to 2**63 - 1; send "
                          "larger ones as str")
    elif isinstance(value, float):
        if value - value != 0:
            raise NotJson("%s is not JSON" % (
                "NaN" if value != value else "Infinity"))
    elif value is not None:
        raise NotJson("%s is not JSON" % type(value).__name__)


def check_json(value, depth_max=_JSON_DEPTH_MAX, around=()):
    """NotJson if JSON cannot represent the value or it is nested deeper."""
    is_dict = isinstance(value, dict)
    if not is_dict and not isinstance(value, (list, tuple)):
        _check_scalar(value)
        return
    if any(value is container for container in around):
        raise NotJson("a %s that contains itself" % type(value).__name__)
    if len(around) >= depth_max:
        raise NotJson("nested deeper than %d" % depth_max)
    around += (value,)
    step = None
    try:
        for step, item in value.items() if is_dict else enumerate(value):
            if is_dict:
                _check_key(step)
            check_json(item, depth_max, around)
    except NotJson as problem:
        problem.path.append(step if isinstance(step, (str, int)) else "?")
        raise


_json_encode = None


def _json_encoder():
    try:
        from _json import encode_basestring, make_encoder

        def refuse(value):
            raise TypeError("%s is not JSON" % type(value).__name__)

        def encode(value):
            coder = make_encoder({}, refuse, encode_basestring, None, ":", ",",
                                 False, False, False)
            return "".join(coder(value, 0))
        if encode({"a": [1, "\u00e9"]}) == '{"a":[1,"\u00e9"]}':
            return encode
    except (ImportError, TypeError):
        pass
    import json
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False,
                            separators=(",", ":")).encode


def to_json(value):
    """Compact JSON text, not escaped to ASCII. NotJson."""
    global _json_encode
    check_json(value)
    if _json_encode is None:
        _json_encode = _json_encoder()
    return _json_encode(value)


# ---- the link: SP's pair0 over a unix socket ----

_GREETING = b"\0SP\0\0\x10\0\0"
_FRAME = Struct(">BQ")
_LIBRARY_AFTER = 64  # objects: then importing msgpack (2 ms) pays


class _TooLarge(ValueError):
    """It does not fit into a message."""


class _Closed(Exception):
    """supd closed the link (text ""), or the link was lost."""


class _Link:
    """Frames in, batches out. send() from the loop only."""

    def __init__(self, path):
        self.socket = _Socket(AF_UNIX, SOCK_STREAM)
        self.socket.connect(path)
        self.socket.sendall(_GREETING)
        self.pack, self.unpack_all = pack, unpack_all
        self.dirty = False   # flush() is due
        self.blocked = False  # the socket took not all
        self._greeted = False
        self._input = b""
        self._batch = []
        self._batch_bytes = 0
        self._unsent = deque()
        self._objects = 0
        self._greet()
        self.socket.setblocking(False)

    def _greet(self):
        greeting = b""
        while len(greeting) < 8:
            piece = self.socket.recv(8 - len(greeting))
            if not piece:
                raise _Closed("supd closed the link before its greeting")
            greeting += piece
        if greeting != _GREETING:
            raise _Closed("supd does not speak pair0")

    def fileno(self):
        return self.socket.fileno()

    def send(self, message):
        """Queues one object for the next flush(). ValueError if it is too
        large, or an error of pack(); then nothing is queued."""
        data = self.pack(message)
        if len(data) > MESSAGE_MAX:
            raise _TooLarge("too large for a message")
        self.send_packed(data)

    def send_packed(self, data):
        self._batch.append(data)
        self._batch_bytes += len(data)
        self.dirty = True

    def _frames(self):
        batch, size = [], 0
        for data in self._batch:
            if size and size + len(data) > BATCH_BYTES:
                yield size, batch
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        yield size, batch

    def flush(self):
        self.dirty = False
        if self._batch:
            if self._batch_bytes <= BATCH_BYTES:
                parts = [_FRAME.pack(1, self._batch_bytes)] + self._batch
            else:
                parts = []
                for size, batch in self._frames():
                    parts.append(_FRAME.pack(1, size))
                    parts += batch
            self._batch = []
            self._batch_bytes = 0
            self._unsent.append(memoryview(b"".join(parts)))
        while self._unsent:
            data = self._unsent[0]
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                self.blocked = True
                return
            except OSError:
                self._unsent.clear()  # what is there to read tells why
                return
            if sent < len(data):
                self._unsent[0] = data[sent:]
            else:
                self._unsent.popleft()
        self.blocked = False

    def receive(self):
        """The objects of the frames that have arrived. _Closed, Malformed."""
        try:
            data = self.socket.recv(256 * 1024)
        except (BlockingIOError, InterruptedError):
            return ()
        except OSError as problem:
            raise _Closed(str(problem)) from None
        if not data:
            raise _Closed("")
        if self._input:
            data = self._input + data
        at, size, objects = 0, len(data), []
        while size - at >= 9:
            kind, length = _FRAME.unpack_from(data, at)
            if kind != 1 or length > MESSAGE_MAX:
                raise Malformed("a frame of kind %d and %d bytes" % (
                    kind, length))
            if size - at - 9 < length:
                break
            objects += self.unpack_all(data[at + 9:at + 9 + length])
            at += 9 + length
        self._input = data[at:]
        self._objects += len(objects)
        if self._objects > _LIBRARY_AFTER:
            self._use_library()
        return objects

    def _use_library(self):
        self._objects = -sys.maxsize
        try:
            self.pack, self.unpack_all = library_codec()
        except ImportError:
            pass


# ---- loops: the light one, and asyncio's ----

class _Future:
    """What an async handler awaits on the light loop: one task at a time."""
    __slots__ = ("ended", "value", "problem", "waiter")

    def __init__(self):
        self.ended = False
        self.value = self.problem = self.waiter = None

    def done(self):
        return self.ended

    def set_result(self, value):
        self._end(value, None)

    def set_exception(self, problem):
        self._end(None, problem)

    def _end(self, value, problem):
        if self.ended:
            return
        self.ended, self.value, self.problem = True, value, problem
        if self.waiter:
            self.waiter.wake()

    def __await__(self):
        if not self.ended:
            yield self
        if self.problem is not None:
            raise self.problem
        return self.value


_YIELDS_MAX = 16  # of non-futures, from one coroutine in one step


class _Task:
    """Drives one coroutine on the light loop; finished(exception) at its end."""
    __slots__ = ("loop", "coroutine", "finished", "waits", "cancelling", "run")

    def __init__(self, loop, coroutine, finished):
        self.loop, self.coroutine, self.finished = loop, coroutine, finished
        self.run = copy_context().run
        self.waits = None
        self.cancelling = False
        self.step()

    def wake(self):
        self.waits = None
        self.loop.soon(self.step)

    def cancel(self):
        if self.coroutine is None:
            return
        self.cancelling = True
        if self.waits:
            self.waits.waiter = None
            self.wake()

    def step(self):
        problem = None
        try:
            if self.cancelling:
                self.cancelling = False
                got = self.run(self.coroutine.throw, _LightCancelled())
            else:
                got = self.run(self.coroutine.send, None)
            for _ in range(_YIELDS_MAX):
                if type(got) is _Future or got is None:
                    break
                got = self.run(self.coroutine.throw, RuntimeError(
                    "this awaits something of asyncio: import asyncio at the "
                    "top of the plugin, so that its loop is used"))
            else:  # it catches that and goes on for ever
                self.coroutine.close()
                raise RuntimeError("awaited something that is not a future")
        except StopIteration:
            pass
        except BaseException as caught:
            problem = caught
        else:
            self._wait_for(got)
            return
        self.coroutine = None
        self.finished(problem)

    def _wait_for(self, future):
        if future is None or future.ended or self.cancelling:
            self.loop.soon(self.step)
        else:
            self.waits, future.waiter = future, self


class _Loop:
    """What both loops share: jobs from other threads come through a pipe."""

    def __init__(self):
        self._posted = deque()
        self._signalled = False
        self._pipe = None

    def open_pipe(self):
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self.watch(self._pipe[0])

    def post(self, function, *arguments):
        """From any thread."""
        self._posted.append((function, arguments))
        if not self._signalled:
            self._signalled = True
            os.write(self._pipe[1], b"\0")

    def run_posted(self):
        os.read(self._pipe[0], 64)
        self._signalled = False
        for _ in range(len(self._posted)):
            function, arguments = self._posted.popleft()
            function(*arguments)


class _LightLoop(_Loop):
    def __init__(self):
        super().__init__()
        self._poll = select.poll()
        self._ready = deque()
        self._timers = []
        self._timer_count = 0

    def watch(self, fd):
        self._poll.register(fd, select.POLLIN)

    def soon(self, function, *arguments):
        self._ready.append((function, arguments))

    def later(self, seconds, function):
        from heapq import heappush
        self._timer_count += 1
        heappush(self._timers, (time.monotonic() + max(0, seconds),
                                self._timer_count, function))

    future = staticmethod(_Future)

    def start(self, coroutine, finished):
        return _Task(self, coroutine, finished)

    def flush_soon(self, link):
        pass  # every turn ends with a flush

    def _run_timers(self):
        from heapq import heappop
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heappop(self._timers)[2]()

    def _pause_ms(self):
        if self._ready:
            return 0
        if self._timers:
            left = self._timers[0][0] - time.monotonic()
            return max(0, int(min(left, 1e6) * 1000) + 1)  # of any length
        return None

    def run(self, link, on_readable):
        poll, ready, link_fd = self._poll, self._ready, link.fileno()
        watched = select.POLLIN
        poll.register(link_fd, watched)
        while True:
            for fd, events in poll.poll(self._pause_ms()):
                if fd != link_fd:
                    self.run_posted()
                elif events & ~select.POLLOUT:
                    on_readable()
            if self._timers:
                self._run_timers()
            for _ in range(len(ready)):
                function, arguments = ready.popleft()
                function(*arguments)
            if link.dirty or link.blocked:
                link.flush()
                wanted = select.POLLIN | (link.blocked and select.POLLOUT)
                if wanted != watched:
                    watched = wanted
                    poll.modify(link_fd, watched)


class _AsyncioLoop(_Loop):
    def __init__(self):
        global Cancelled
        super().__init__()
        import asyncio
        Cancelled = asyncio.CancelledError
        self.asyncio = asyncio.new_event_loop()
        asyncio.set_event_loop(self.asyncio)
        self._flushing = self._writing = False

    def watch(self, fd):
        self.asyncio.add_reader(fd, self.run_posted)

    def soon(self, function, *arguments):
        self.asyncio.call_soon(function, *arguments)

    def later(self, seconds, function):
        self.asyncio.call_later(seconds, function)

    def future(self):
        return self.asyncio.create_future()

    def start(self, coroutine, finished):
        task = self.asyncio.create_task(coroutine)
        task.add_done_callback(lambda t: finished(
            Cancelled() if t.cancelled() else t.exception()))
        return task

    def flush_soon(self, link):
        if not self._flushing:
            self._flushing = True
            self.asyncio.call_soon(self._flush, link)

    def _flush(self, link):
        self._flushing = False
        link.flush()
        if link.blocked != self._writing:
            self._writing = link.blocked
            if link.blocked:
                self.asyncio.add_writer(link.fileno(), self._flush, link)
            else:
                self.asyncio.remove_writer(link.fileno())

    def run(self, link, on_readable):
        self.asyncio.add_reader(link.fileno(), on_readable)
        self.flush_soon(link)
        self.asyncio.run_forever()


def _show_in_ps(plugin, generation):
    """Makes `ps` show which plugin this is: "supd: hello gen 4", or less, as
    the place of the command line is all the room there is."""
    whole = "supd: %s gen %d" % (plugin, generation)
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(whole[:15])
        with open("/proc/self/stat") as file:
            start, end = map(int, file.read().rsplit(")", 1)[1].split()[45:47])
        for text in (whole, whole[6:], plugin):
            if len(text) < end - start:
                break
        text = text.encode()[:end - start - 1]
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(text.ljust(end - start, b"\0"))
    except (OSError, ValueError):
        pass  # a name in a list is no reason not to serve


_loop = None  # the one that runs


def _resolve(future, value=None):
    if not future.done():
        future.set_result(value)


def _into(future):
    """A function (value, problem) that ends the future."""
    def ended(value, problem):
        if problem:
            _fail(future, problem)
        else:
            _resolve(future, value)
    return ended


def _fail(future, problem):
    if isinstance(problem, (StopIteration, SystemExit)):
        stated = RuntimeError("%s in a plain function"
                              % type(problem).__name__)
        stated.__cause__ = problem
        problem = stated  # a future does not take it, asyncio would end by it
    if not future.done():
        future.set_exception(problem)


async def sleep(seconds):
    """asyncio.sleep() for plugins without asyncio."""
    future = _loop.future()
    _loop.later(seconds, lambda: _resolve(future))
    await future


class _Line:
    """Tasks that wait, in order. Each has a future of its own, since the end of
    one task ends what it awaits."""

    def __init__(self):
        self._futures = deque()

    async def wait(self):
        future = _loop.future()
        self._futures.append(future)
        try:
            await future
        except BaseException:
            if future in self._futures:
                self._futures.remove(future)
            else:  # it was this one's turn
                self.wake_one()
            raise

    def wake_one(self):
        while self._futures:
            future = self._futures.popleft()
            if not future.done():
                future.set_result(None)
                return

    def wake_all(self):
        while self._futures:
            _resolve(self._futures.popleft())


# ---- the pool for plain functions ----

class _Pool:
    """At most `limit` threads, started when they are needed."""

    def __init__(self, loop, limit):
        import threading
        try:  # without what the package around it imports
            from _queue import SimpleQueue
        except ImportError:
            from queue import SimpleQueue
        self._loop, self._limit = loop, limit
        self._thread = threading.Thread
        self._jobs = SimpleQueue()
        self._count = self._idle = 0

    def submit(self, finished, function, *arguments):
        """finished(value, exception) on the loop."""
        if self._idle <= 0 and self._count < self._limit:
            self._count += 1
            self._thread(target=self._work, daemon=True,
                         name="supd-%d" % self._count).start()
        else:
            self._idle -= 1
        self._jobs.put((finished, function, arguments))

    def _work(self):
        while True:
            finished, function, arguments = self._jobs.get()
            value = problem = None
            try:
                value = function(*arguments)
            except BaseException as caught:
                problem = caught
            self._loop.post(self._end, finished, value, problem)
            finished = function = arguments = value = problem = None

    def _end(self, finished, value, problem):
        self._idle += 1
        finished(value, problem)


# ---- requests and answers ----

class Response:
    """An http answer: status, headers (a dict, or a list of pairs) and body,
    which is anything that a handler may return: a value, or pieces."""
    __slots__ = ("status", "headers", "body")

    def __init__(self, status=200, headers=None, body=None):
        self.status, self.headers, self.body = status, headers or (), body


class Event:
    """One server-sent event; data other than str is sent as JSON. retry: ms"""
    __slots__ = ("data", "event", "id", "retry")

    def __init__(self, data="", event=None, id=None, retry=None):
        self.data, self.event, self.id, self.retry = data, event, id, retry

    def __bytes__(self):
        lines = []
        for name in ("event", "id", "retry"):
            value = getattr(self, name)
            if value is not None:
                if any(mark in str(value) for mark in "\r\n\0"):
                    raise ValueError("%s contains a line break" % name)
                lines.append("%s: %s\n" % (name, value))
        text = self.data if isinstance(self.data, str) else to_json(self.data)
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            lines.append("data: %s\n" % line)
        return ("".join(lines) + "\n").encode()


def events(pieces, status=200):
    """A Response of Events; its head is sent before the first event."""
    return Response(status, {"Content-Type": "text/event-stream",
                             "Cache-Control": "no-cache"}, pieces)


_OPEN, _STREAMING, _DONE = range(3)
# the request that is being served; what a handler starts has it too
_serving = ContextVar("supd request", default=None)


def _serving_id():
    """What `call` and `emit` say at their end."""
    req = _serving.get()
    return () if req is None or req._state == _DONE else (req.id,)


class Request:
    """One request. http: method, path and
    query (raw), params (of the pattern), headers, peer. Others: name, args
    (command: its text), and caller (command: its context). Hooks: name, event
    (its name), data, and context: a dict of id, at, plugin and chain."""
    # what most requests never change
    argv = tick_id = due = missed = None
    event = data = context = None
    name = args = caller = method = path = params = query = peer = None
    cancelled = False   # nobody waits for the answer any more
    _headers = ()
    _trace = None
    _offer = _pieces = _task = _on_cancel = None
    _more = False       # pieces of the body are still to come
    _taken = 0          # bytes of chunks without credit so far
    _arrival = _writable = None  # what waits: for pieces, for credit
    _credit = 0
    _state = 0          # _OPEN

    def __init__(self, plugin, kind, number, deadline_ms):
        self.plugin, self.kind, self.id = plugin, kind, number
        self.deadline = deadline_ms and time.monotonic() + deadline_ms / 1000
        if plugin._trace:
            announced, text = plugin._trace
            plugin._trace = None
            if announced == number:
                self._trace = text

    @property
    def traceparent(self):
        """Its place in a trace: a `traceparent` of W3C Trace Context, for a
        tracing library; None: it is not traced."""
        return self._trace or self.header("traceparent")

    def time_left(self):
        """Seconds until the deadline; None if there is none."""
        if not self.deadline:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def write(self, data):
        """cli: writes str or bytes to standard output."""
        return self._write(1, data)

    def write_error(self, data):
        """The same to standard error."""
        return self._write(2, data)

    def _write(self, fd, data):
        writing = self.plugin._write(self, fd, data)
        if self.plugin._on_loop():
            return writing
        return self.plugin._wait_for(writing)

    def input(self):
        """cli, in a plain handler: standard input, piece by piece."""
        pieces = self._stream()
        while True:
            try:
                yield self.plugin._wait_for(pieces.__anext__())
            except StopAsyncIteration:
                return

    def on_cancel(self, function):
        """Calls function() on the loop when the request is cancelled, or at
        once if it already is."""
        self._on_cancel = function
        if self.cancelled:
            self.plugin.post(self._tell_cancel)
        return function

    def _tell_cancel(self):
        function, self._on_cancel = self._on_cancel, None
        if function:
            function()

    @property
    def headers(self):
        """Pairs of name (in lower case) and value."""
        return [(name, value.decode("latin-1"))
                for name, value in self._headers]

    def header(self, name, fallback=None):
        """The first header of this name, in upper or lower case."""
        name = name.lower()
        for key, value in self._headers:
            if key == name:
                return value.decode("latin-1")
        return fallback

    def query_args(self):
        """The arguments in the query; the last one of each name."""
        from urllib.parse import parse_qsl
        return dict(parse_qsl(self.query, keep_blank_values=True))

    # The body. An async handler awaits these; to a plain one, which begins
    # when the body is complete, they are values at once.

    def body(self):
        """The whole body as bytes. Error too_large above the route's limit."""
        if self._offer.mode == _POOL:
            return b"".join(self._pieces)
        return self._collect()

    def json(self):
        """The body as a value; Error bad_message if it is not JSON."""
        if self._offer.mode == _POOL:
            return _from_json(self.body())
        return self._collect_json()

    def stream(self):
        """Its pieces as they arrive, for `async for` (plain handler: `for`)."""
        if self._offer.mode == _POOL:
            return iter(list(self._pieces))
        return self._stream()

    async def _stream(self):
        pieces = self._pieces
        while True:
            while pieces:
                piece = pieces.pop(0)
                self._give_credit()
                if piece:
                    yield piece
            if not self._more:
                return
            self._arrival = self.plugin._loop.future()
            await self._arrival

    async def _collect(self):
        total = 0
        taken = []
        limit = self._offer.body_limit or self.plugin._body_max
        async for piece in self._stream():
            total += len(piece)
            if total > limit:
                raise Error("too_large",
                            "the body is larger than the route accepts")
            taken.append(piece)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    async def _collect_json(self):
        return _from_json(await self._collect())

    def _arrive(self, piece, more):
        self._pieces.append(piece)
        self._taken += len(piece)
        self._more = more
        if self._arrival:
            arrival, self._arrival = self._arrival, None
            _resolve(arrival)

    def _give_credit(self):
        """Credit for consumed chunks, in few messages."""
        if self._more and self._taken and (
                not self._pieces or self._taken >= 2 * CHUNK_BYTES):
            waiting = sum(map(len, self._pieces))
            if self._taken > waiting:
                self.plugin._notify("credit", self.id, self._taken - waiting)
                self._taken = waiting


_ENDED = object()       # in an inbox: nothing follows
_WS_PIECE = 64 * 1024   # bytes of a message that are sent at once
_WS_CREDIT = 32 * 1024  # bytes that are confirmed together
_WS_BLOB_MAX = 64 * 1024  # bytes that a connection may leave to the next worker


class WebSocket:
    """One client's connection: path and query (raw), params (of the pattern),
    headers and peer as in Request; protocol, once it is accepted; moved: None,
    or a dict: how ("move" or "crash"), and blob (bytes or None), when the
    connection comes from an earlier worker.

    The handler's first receive(), send() or accept() accepts the connection;
    raising Error, or returning a status, refuses it. When the handler returns,
    the connection is closed. If on_move is set to a function (or async
    function), it is called when another worker takes over, after all messages
    that came before have been received, and returns bytes for it, or None;
    then the handler sees the end."""

    on_move = None
    protocol = None
    _task = None

    def __init__(self, plugin, number, conn, offer, path, params, query,
                 headers, peer, moved):
        self.plugin, self.id, self.path, self.params = (
            plugin, conn, path, params)
        self.query, self.peer, self.moved = query, peer, moved
        self._headers, self._offer, self._number = headers, offer, number
        self._credit = plugin._credit_bytes
        self._inbox = deque()   # (opcode, pieces, cost), a move, _ENDED
        self._pieces, self._cost = [], 0  # of the message that is arriving
        self._owed = 0          # bytes received, not confirmed
        self._receivers, self._senders = _Line(), _Line()
        self._sending = False   # a sender has begun with its message
        self._writable = None   # it waits for credit
        self._closed = None     # a Closed

    headers, header = Request.headers, Request.header
    query_args = Request.query_args

    # ---- the end of the request ----

    async def accept(self, protocol=None, headers=None):
        """Accepts the connection, with the first of the registration's
        protocols that the client offers, or another; headers of the answer."""
        if self._number is None:
            return
        if protocol is None:
            offered = [item.strip() for name, value in self.headers
                       if name == "sec-websocket-protocol"
                       for item in value.split(",")]
            protocol = next((mine for mine in
                             self._offer.fields.get("protocols") or ()
                             if mine in offered), None)
        self._answer([101, _headers_of(headers or (), None), protocol])
        self.protocol = protocol

    def _answer(self, result, error=None):
        number = self._number
        try:
            self.plugin._send([1, number, error, result])
        except (TypeError, ValueError, OverflowError) as problem:
            text = "the answer to the opening of %s cannot be sent: %s" % (
                self.path, problem)
            self.plugin.log("error", text)
            raise Error("failed", text) from problem
        self._number = None
        self.plugin._ws_asks.pop(number, None)

    def _refuse(self, status, headers=()):
        if self._number is None:
            return
        self._answer([status, _headers_of(headers, None), None])
        self._end(Closed(1008, "refused"))

    def _fail(self, code, text):
        """Refuses it with an error."""
        if self._number is None:
            return
        text = text[:1024].encode("utf-8", "replace").decode()
        self._answer(None, [code, text])
        self._end(Closed(1008, "refused"))

    def _end(self, closed):
        """Nothing comes any more."""
        if self._closed:
            return
        self._closed = closed
        self.plugin._conns.pop(self.id, None)
        self._inbox.append(_ENDED)
        self._receivers.wake_all()
        if self._writable:
            _resolve(self._writable)

    # ---- messages ----

    def _arrive(self, opcode, piece, more):
        self._pieces.append(piece)
        self._cost += len(piece) or 1
        if more:
            self._confirm_part()
            return
        self._inbox.append((opcode, self._pieces, self._cost))
        self._pieces, self._cost = [], 0
        self._receivers.wake_one()

    def _confirm_part(self):
        """A long message must not wait for credit; but one that waits behind
        others does."""
        if not self._inbox:
            self._owed += self._cost
            self._cost = 0
            self._confirm()

    def _confirm(self):
        if self._owed >= _WS_CREDIT and not self._closed:
            self.plugin._notify("credit", self.id, self._owed)
            self._owed = 0

    async def receive(self):
        """The next message: str or bytes. Closed at the end."""
        await self.accept()
        while True:
            while not self._inbox:
                await self._receivers.wait()
            item = self._inbox.popleft()
            if item is _ENDED:
                self._inbox.append(_ENDED)
                raise self._closed
            if len(item) == 1:
                await self._leave(item[0])
                continue
            opcode, pieces, cost = item
            self._owed += cost
            self._confirm()
            self._confirm_part()
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            return data.decode() if opcode == 1 else data

    async def __aiter__(self):
        while True:
            try:
                message = await self.receive()
            except Closed:
                return
            yield message

    async def send(self, message):
        """Sends a str or bytes; waits while the client does not read. Messages
        of several tasks go out one after the other. Closed at the end."""
        await self.accept()
        text = isinstance(message, str)
        data = message.encode() if text else bytes(message)
        while self._sending:
            await self._senders.wait()
        self._sending = True
        try:
            await self._send_pieces(1 if text else 2, data)
        finally:
            self._sending = False
            self._senders.wake_one()

    def _send_piece(self, opcode, piece, more):
        self._credit -= len(piece) or 1
        self.plugin._notify("ws.message", self.id, opcode, piece, more)

    async def _send_pieces(self, opcode, data):
        at, size = 0, len(data)
        while True:
            while self._credit <= 0 and not self._closed:
                self._writable = self.plugin._loop.future()
                await self._writable
                self._writable = None
            if self._closed:
                raise self._closed
            length = min(_WS_PIECE, self._credit, size - at)
            self._send_piece(opcode, data[at:at + length], at + length < size)
            at += length
            if at == size:
                return

    async def close(self, code=1000, reason=""):
        """Closes the connection; one that is not accepted yet is refused with
        the status 403. code: 1000 to 1003, 1007 to 1014 or 3000 to 4999."""
        if not isinstance(code, int) or not (
                1000 <= code <= 1003 or 1007 <= code <= 1014
                or 3000 <= code <= 4999):
            raise ValueError("close code %s must be 1000 to 1003, 1007 to "
                             "1014 or 3000 to 4999" % (code,))
        self._refuse(403)
        self._close(code, reason)

    def _close(self, code, reason):
        if not self._closed:
            self.plugin._notify("ws.close", self.id, code, reason[:123])
            self._end(Closed(code, reason))

    async def _leave(self, number):
        """Answers ws.move, unless it was cancelled."""
        if number not in self.plugin._ws_asks:
            return
        blob = None
        try:
            if self.on_move:
                blob = self.on_move()
                if _is_awaitable(blob):
                    blob = await blob
        except BaseException as problem:
            self.plugin._log_problem("on_move", problem)
            blob = None
        if self.plugin._ws_asks.pop(number, None):
            blob = self._movable(blob)
            self.plugin._send([1, number, None, blob and [blob]])
        self._end(Closed(1012, "moved to another worker"))

    def _movable(self, blob):
        """The bytes, or None and a warning if they cannot be moved."""
        if blob is None:
            return None
        if not isinstance(blob, (bytes, bytearray, memoryview)):
            why = "must be bytes or None, not %s" % type(blob).__name__
        elif len(bytes(blob)) > _WS_BLOB_MAX:
            why = "has %d bytes; at most %d can be moved" % (
                len(bytes(blob)), _WS_BLOB_MAX)
        else:
            return bytes(blob)
        self.plugin.log("warn", "websocket %s moves without its state, which "
                        "%s" % (self.path, why))
        return None


class _Twice(ValueError):
    """A duplicate key of an object."""


def _object_of(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return value


def _place_twice(text):
    """The text has a duplicate key: raises a JSONDecodeError with the position
    of the object, which the quick decoder does not know."""
    import json
    import json.decoder
    import json.scanner

    def parse_object(text_and_end, *arguments):
        try:
            return json.decoder.JSONObject(text_and_end, *arguments)
        except _Twice as problem:
            raise json.JSONDecodeError(
                "the object has the key %s twice" % ascii(problem.args[0]),
                text, text_and_end[1] - 1) from None
    decoder = json.JSONDecoder(object_pairs_hook=_object_of)
    decoder.parse_object = parse_object
    decoder.scan_once = json.scanner.py_make_scanner(decoder)
    decoder.decode(text)


def _no_constant(name):
    raise ValueError("%s is not JSON" % name)


def from_json(data):
    """The value of JSON text, a str or UTF-8 bytes, read as strictly as by
    supd. ValueError."""
    import json
    import re
    text = data if isinstance(data, str) else bytes(data).decode()
    try:
        value = json.loads(text, object_pairs_hook=_object_of,
                           parse_constant=_no_constant)
    except _Twice:
        _place_twice(text)
        raise
    # numbers that may not fit, halves of surrogate pairs, NUL in a key
    if re.search(r"[0-9]{19}|[eE]\+?[0-9]{3}|\\u(?:[dD][89a-fA-F]|0000)",
                 text):
        check_json(value)
    return value


def _from_json(data):
    try:
        return from_json(data)
    except (ValueError, RecursionError) as problem:
        raise Error("bad_message", "malformed JSON: %s" % problem) from None


def _body_of(value):
    """Content type and bytes of a value."""
    if value is None:
        return None, b""
    if isinstance(value, str):
        return "text/plain; charset=utf-8", value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "application/octet-stream", bytes(value)
    return "application/json", to_json(value).encode()


def _json_bytes(value):
    return to_json(value).encode()


def _quick(content_type, encode):
    headers = [["Content-Type", content_type]]
    return headers, pack(headers), encode


# what most handlers return: its headers, also packed, and how it becomes bytes
_QUICK = {
    bytes: _quick(b"application/octet-stream", None),
    str: _quick(b"text/plain; charset=utf-8", str.encode),
    dict: _quick(b"application/json", _json_bytes),
    list: _quick(b"application/json", _json_bytes)}
# [1, id, nil, [200, headers, body, false]] without headers and body
_QUICK_BEGIN, _QUICK_BODY = Struct(">3sI4s"), Struct(">BI")


def _quick_answer(number, headers, body):
    return b"".join((
        _QUICK_BEGIN.pack(b"\x94\x01\xce", number, b"\xc0\x94\xcc\xc8"),
        headers, _QUICK_BODY.pack(0xc6, len(body)), body, b"\xc2"))


def _piece_of(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytearray, memoryview, Event)):
        return bytes(value)
    return to_json(value).encode() + b"\n"


def _type_of_pieces(first):
    if isinstance(first, Event):
        return "text/event-stream"
    if isinstance(first, str):
        return "text/plain; charset=utf-8"
    if isinstance(first, (bytes, bytearray, memoryview)):
        return "application/octet-stream"
    return "application/x-ndjson"


def _no_cache(first):
    return {"Cache-Control": "no-cache"} if isinstance(first, Event) else ()


def _header_bytes(value):
    if isinstance(value, bytes):
        return value
    text = str(value)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _headers_of(headers, content_type):
    pairs = headers.items() if isinstance(headers, dict) else headers
    out = [[str(name), _header_bytes(value)] for name, value in pairs]
    if content_type and not any(
            name.lower() == "content-type" for name, _ in out):
        out.append(["Content-Type", content_type.encode()])
    return out


def _response_of(value):
    if isinstance(value, Response):
        return value
    if isinstance(value, tuple) and 2 <= len(value) <= 3 \
            and type(value[0]) is int:
        return Response(value[0], value[2] if len(value) == 3 else None,
                        value[1])
    return Response(204 if value is None else 200, None, value)


def _is_pieces(value):
    return hasattr(value, "__aiter__") or hasattr(value, "__next__")


# ---- what a plugin offers ----

_POOL, _INLINE, _ASYNC = range(3)
_CO_ASYNC = 0x80 | 0x200  # coroutine, async generator


def _code_of(function):
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        call = getattr(type(function), "__call__", None)
        code = getattr(call, "__code__", None)
        return code, code is not None
    return code, False


def _count_arguments(function, code, bound):
    """Those that it must be given; at least one where it takes any."""
    if code is None:
        return 1
    most = code.co_argcount - (bound or hasattr(function, "__self__"))
    most -= len(getattr(function, "args", ()))  # of a partial
    fallbacks = len(getattr(function, "__defaults__", None) or ())
    if code.co_flags & 0x04:  # *args
        inner = getattr(function, "__wrapped__", None)  # of a decorator
        return _count_arguments(inner, *_code_of(inner)) if inner else 2
    return max(0, most - fallbacks, min(most, 1))


class Verdict:
    """What a filter returns; see change(), stop() and claim()."""
    __slots__ = ("fields",)

    def __init__(self, **fields):
        self.fields = fields


def change(data):
    """A filter's verdict: the event goes on with this data, the whole of it."""
    return Verdict(verdict="change", data=data)


def stop(reason=""):
    """A filter's verdict: the event does not go on."""
    return Verdict(verdict="stop", reason=str(reason))


def claim(data=None):
    """A filter's verdict: the event is handled, and the data is its answer."""
    return Verdict(verdict="claim", data=data)


class _Offer:
    __slots__ = ("function", "mode", "takes", "body_limit", "fields")

    def __init__(self, function, inline=False, fields=None, body_limit=None):
        code, bound = _code_of(function)
        flags = code.co_flags if code else 0
        if flags & _CO_ASYNC and "asyncio" in code.co_names:
            import asyncio  # it would be imported too late  # noqa: F401
        self.function = function
        self.mode = (_ASYNC if flags & _CO_ASYNC
                     else _INLINE if inline else _POOL)
        self.takes = _count_arguments(function, code, bound)
        self.body_limit = body_limit
        self.fields = fields


class _Service:
    """A service as its decorator leaves it: start it by calling it."""

    def __init__(self, start):
        self._start, self._stop = start, None

    def __call__(self, *arguments):
        return self._start(*arguments)

    def stop(self, function):
        self._stop = _Offer(function)
        return function


CHANNEL_STATES = ("connecting", "up", "waiting", "down", "login", "failed")
_CHANNEL_MESSAGES = 256  # in progress, of one channel
_LANE_MESSAGES = 32      # with supd at a time, of one lane
_CHANNEL_LINE = 10000    # behind them
_CURSOR_MAX = 4096       # bytes
_FIELDS_MAX = MESSAGE_MAX - _CURSOR_MAX - 1024  # of a message, packed
_PAUSE_FIRST, _PAUSE_LAST = 0.05, 2  # seconds between two tries of a busy supd
_ACTIONS = ("edit", "delete", "react", "typing")


class Channel(_Service):
    """A channel as its decorator leaves it. open: whether it takes messages;
    epoch grows with each start; cursor is the position up to which all messages
    are taken, bytes or None: in start() it says where to go on."""

    def __init__(self, running, start):
        super().__init__(start)
        self._running = running
        self._send = self._find = self._act = None

    open = property(lambda self: self._running.is_open)
    epoch = property(lambda self: self._running.epoch)
    cursor = property(lambda self: self._running.cursor)
    name = property(lambda self: self._running.name)

    def send(self, function):
        """function(target, content, send_id) sends a message and returns its id
        or ids at the platform: a str, a list, or a dict {"ids", "at"}. It raises
        NotSent or Retry; after any other exception nobody knows whether the
        message went out."""
        self._send = _Offer(function)
        return function

    def find(self, function):
        """function(send_id, target, since) says whether a message went out that
        is not older than `since` (seconds since 1970), in the same words. Only
        for channels with "find" in `can`."""
        self._find = _Offer(function)
        return function

    def act(self, function):
        """function(action, target, args) edits, deletes, reacts or shows
        typing. Only for channels with one of these in `can`."""
        self._act = _Offer(function)
        return function

    def status(self, state, text=""):
        """Reports how the channel is: "connecting", "up", "waiting", "down",
        "login" (it needs a person) or "failed" (supd stops it and starts it
        again). Nothing is reported of a channel that is stopped. From any
        thread."""
        if state not in CHANNEL_STATES:
            raise ValueError("a state is one of %s" % ", ".join(CHANNEL_STATES))
        text = str(text)[:256].encode("utf-8", "replace").decode()
        self._running.plugin.post(self._running.report, state, text)

    def receive(self, message, acknowledge=None):
        """Gives a message of the platform to supd, and asks again, with growing
        pauses, while supd is busy. message: {id (the platform's own: the same
        again is seen), lane (messages of one stay in order), cursor (the
        position after it: bytes or str), at (ms since 1970; else now), from:
        {id, name, verified}, chat: {id, type: direct, group or channel},
        thread, reply_to, text, media, mentioned, edit_of, self, raw}; None is
        left out.

        Returns "new", "seen", or "refused" (supd never takes it): on the loop
        something to await, or not; elsewhere it waits. acknowledge() is called,
        and awaited, after "new" or "seen", and never else: it acknowledges the
        message at the platform. Raises Stopped once the channel is stopped,
        NotJson, TypeError or Error. At most 256 messages are in progress; others
        wait in line, 10000 at most."""
        received = _Received(message, acknowledge)
        plugin = self._running.plugin
        if plugin._on_loop():
            return self._running.receive(received)

        async def wait():
            return await self._running.receive(received)
        return plugin._wait_for(wait())

    async def room(self):
        """Waits until fewer than 256 messages are in progress: await it before
        the platform is asked for more. Raises Stopped."""
        await self._running.room()

    def _check(self, can):
        for what in ("stop", "send"):
            if not getattr(self, "_" + what):
                raise ValueError("channel %s has no function for %s"
                                 % (self.name, what))
        for what, words in (("find", ("find",)), ("act", _ACTIONS)):
            if any(word in can for word in words) != bool(
                    getattr(self, "_" + what)):
                raise ValueError("channel %s: %s in `can`, and a function for "
                                 "%s, belong together" % (
                                     self.name, " or ".join(words), what))


def _bytes_of_cursor(value):
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, (bytes, bytearray, type(None))):
        raise TypeError("a cursor is bytes, str or None, not %s"
                        % ascii(value)[:80])
    if value is not None and len(value) > _CURSOR_MAX:
        raise Error("too_large", "a cursor of %d bytes, at most %d"
                    % (len(value), _CURSOR_MAX))
    return None if value is None else bytes(value)


def _without_none(value):
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item is not None}


class _Received:
    """A message of receive(). Its state: "held" (behind others of its lane, or
    supd was busy), "asked", "taken" (over: supd does not need it again) or "lost"
    (over: the platform must give it again)."""
    __slots__ = ("fields", "lane", "cursor", "acknowledge", "future", "state",
                 "was_asked", "number")

    def __init__(self, message, acknowledge):
        if not isinstance(message, dict):
            raise TypeError("a message is a dict, not %s"
                            % ascii(message)[:80])
        self.fields = fields = _without_none(message)
        self.cursor = _bytes_of_cursor(fields.pop("cursor", None))
        for key in ("from", "chat"):
            if key in fields:
                fields[key] = _without_none(fields[key])
        fields.setdefault("at", int(time.time() * 1000))
        for key in ("id", "lane"):
            if not fields.get(key) or not isinstance(fields[key], str):
                raise Error("bad_message", "%s of the message must be a string "
                            "of 1 to 512 bytes" % key)
        check_json(fields, DEPTH_MAX - 6)
        if len(pack(fields)) > _FIELDS_MAX:
            raise Error("too_large", "a message above 1 MiB")
        self.lane = fields["lane"]
        self.acknowledge = acknowledge and _Offer(acknowledge)
        self.future = None
        self.state, self.was_asked, self.number = "held", False, 0


class _Lane:
    """The messages of a lane that are not over, in order. `asked` of them are
    with supd, `most` may be; not while it pauses, because supd was busy."""
    __slots__ = ("messages", "asked", "most", "pause", "pauses", "is_due")

    def __init__(self):
        self.messages = deque()
        self.asked, self.most = 0, _LANE_MESSAGES
        self.pause, self.pauses, self.is_due = _PAUSE_FIRST, False, False


class _Turn:
    """A start or stop, which those behind it wait for."""

    def __init__(self, before):
        self._before, self._is_over, self._line = before, False, _Line()

    def end(self):
        self._is_over = True
        self._line.wake_all()

    async def wait(self):
        """Until it, and all before it, are over."""
        turn = self
        while turn:
            if not turn._is_over:
                await turn._line.wait()
            turn = turn._before
        self._before = None


class _Running:
    """What runs of a channel, also over other registrations.

    Several messages of a lane are with supd at a time. If it is busy for one, it
    is so for those of the lane behind it, until it comes again; so when all of
    the lane are answered they are asked again in order, and none is overtaken.
    Those of other lanes go on meanwhile. supd keeps the cursor of the longest
    prefix that it has taken, in the order in which messages reach it first. That
    order is another one than the plugin's, so a message is sent with the cursor
    of the longest prefix, in the plugin's order, that has been sent, or with none
    if it is behind a gap."""

    def __init__(self, plugin, name):
        self.plugin, self.name = plugin, name
        self.epoch, self.cursor = 0, None
        self.runs = False   # sends are given to the plugin
        self.is_open = False  # from the call of start to the request to stop
        self._closed_why = "the channel is not started"
        self._starting = None  # the request to start that opened it
        self._turn = None      # the last start or stop
        # In the order of receive(); of neighbours that are taken only the last
        # one stays.
        self._messages = []
        self._count = 0     # of those that are not over
        self._lanes = {}    # name -> _Lane
        self._numbers = 0   # of messages, in the order of receive()
        self._unasked = deque()  # never asked, or behind one that was not
        self._asked_cursor = None  # of all before them
        self._owed = 0      # answers of supd, and acknowledge() that runs
        self._line = deque()   # more of them
        self._for_room, self._for_quiet = _Line(), _Line()

    # ---- messages ----

    def receive(self, received):
        self._need_open()
        if len(self._line) >= _CHANNEL_LINE:
            raise Error("busy", "too many messages wait; await room()")
        received.future = self.plugin._loop.future()
        if hasattr(received.future, "add_done_callback"):  # nobody may await it
            received.future.add_done_callback(
                lambda future: future.cancelled() or future.exception())
        if self._count < _CHANNEL_MESSAGES:
            self._admit(received)
        else:
            self._line.append(received)
        return received.future

    def _need_open(self):
        if not self.is_open:
            raise Stopped(self._closed_why)

    async def room(self):
        self._need_open()
        while self._count >= _CHANNEL_MESSAGES:
            await self._for_room.wait()
            self._need_open()

    def _admit(self, received):
        lane = self._lanes.get(received.lane)
        if not lane:
            lane = self._lanes[received.lane] = _Lane()
        lane.messages.append(received)
        self._messages.append(received)
        self._unasked.append(received)
        self._numbers += 1
        received.number = self._numbers
        self._count += 1
        self._go_on(lane)

    def _leave(self, received, state):
        """It is over. Its lane, if others of it are not."""
        received.state, received.fields = state, None
        self._count -= 1
        lane = self._lanes[received.lane]
        lane.messages.remove(received)
        if lane.messages:
            return lane
        del self._lanes[received.lane]
        return None

    def _go_on(self, lane):
        """Asks as many of it as may be asked at once, in order."""
        if lane.pauses or lane.asked >= lane.most:
            return
        for received in lane.messages:
            if received.state == "held":
                self._ask(received, lane)
                if lane.asked >= lane.most:
                    return

    def _cursor_with(self, received):
        """The position that is reached once it is taken, as far as supd can
        know."""
        unasked = self._unasked
        while unasked and unasked[0].was_asked:
            each = unasked.popleft()
            if each.cursor is not None:
                self._asked_cursor = each.cursor
        if unasked and unasked[0].number < received.number:
            return None
        return self._asked_cursor

    def _ask(self, received, lane):
        received.state, received.was_asked = "asked", True
        self._owed += 1
        lane.asked += 1
        message, cursor = received.fields, self._cursor_with(received)
        if cursor is not None:
            message = dict(message, cursor=cursor)
        self.plugin._request_own(
            "channel.message", [self.name, message],
            lambda word, problem: self._answered(received, word, problem))

    def _answered(self, received, word, problem):
        self._owed -= 1
        self._lanes[received.lane].asked -= 1
        if problem:
            self._refused(received, problem)
        elif word not in ("new", "seen", "refused"):
            self._over(received, "lost")
            _fail(received.future,
                  Error("failed", "supd's answer is malformed"))
        elif word == "refused" or not received.acknowledge:
            self._over(received, "taken")
            _resolve(received.future, word)
        else:
            self._owed += 1
            self._over(received, "taken")
            self.plugin._loop.start(
                _without_end(self.plugin._run_offer(received.acknowledge)),
                lambda problem: self._acknowledged(received, word, problem))
        self._settle()

    def _acknowledged(self, received, word, problem):
        if problem is not None:
            self.plugin._log_problem("acknowledge of channel %s" % self.name,
                                     problem)
        self._owed -= 1
        _resolve(received.future, word)
        self._settle()

    def _refused(self, received, problem):
        if problem.code == "busy" and self.is_open:
            received.state = "held"
            self._pause(self._lanes[received.lane])
        elif problem.code in ("busy", "conflict"):
            if problem.code == "conflict":
                self._close("another worker has the channel")
            self._over(received, "lost")
            _fail(received.future, Stopped(self._closed_why))
        else:
            self.plugin.log("error", "channel %s: supd does not take a message:"
                            " %s" % (self.name, problem.text))
            self._over(received, "taken")
            _fail(received.future, problem)

    def _pause(self, lane):
        """supd was busy for one of it, and is so for those behind that one."""
        if not lane.pauses:
            lane.pauses, lane.is_due = True, False
            pause = lane.pause
            lane.pause = min(2 * pause, _PAUSE_LAST)
            self.plugin._loop.later(pause, lambda: self._pause_ended(lane))
        self._ask_again(lane)

    def _pause_ended(self, lane):
        lane.is_due = True
        self._ask_again(lane)

    def _ask_again(self, lane):
        """The first one alone, until supd takes it; when all are answered."""
        if lane.is_due and not lane.asked and self.is_open:
            lane.pauses, lane.is_due, lane.most = False, False, 1
            self._go_on(lane)

    def _over(self, received, state):
        """The message has ended: others may go on."""
        at, lane = self._messages.index(received), self._leave(received, state)
        if state == "taken":
            self._advance(at)
        if not self.is_open:
            return
        if lane and lane.pauses:
            self._ask_again(lane)
        elif lane:
            if state == "taken":
                lane.most, lane.pause = _LANE_MESSAGES, _PAUSE_FIRST
            self._go_on(lane)
        while self._line and self._count < _CHANNEL_MESSAGES:
            self._admit(self._line.popleft())
        if self._count < _CHANNEL_MESSAGES:
            self._for_room.wake_all()

    def _advance(self, at):
        messages = self._messages

        def is_taken(index):
            return 0 <= index < len(messages) \
                and messages[index].state == "taken"

        def join(index):  # with the one behind it
            if messages[index + 1].cursor is None:
                messages[index + 1].cursor = messages[index].cursor
            del messages[index]
        if is_taken(at + 1):
            join(at)
        if is_taken(at - 1):
            join(at - 1)
        if is_taken(0):
            first = messages.pop(0)
            if first.cursor is not None:
                self.cursor = first.cursor

    # ---- starts and stops ----

    def report(self, state, text):
        if self.is_open or self.runs:
            self.plugin._notify("channel.status", self.name, state, text)

    def _open(self, epoch, cursor):
        self.epoch, self.cursor = epoch, _bytes_of_cursor(cursor)
        self._messages, self.is_open = [], True
        self._unasked.clear()
        self._asked_cursor = None

    def _close(self, why):
        """Takes no more; what supd was not asked for, or was too busy for, is
        over."""
        if not self.is_open:
            return
        self.is_open, self._closed_why = False, why
        for received in self._messages:
            if received.state == "held":
                self._leave(received, "lost")
                _fail(received.future, Stopped(why))
        while self._line:
            _fail(self._line.popleft().future, Stopped(why))
        self._for_room.wake_all()

    def _settle(self):
        if not self._owed:
            self._for_quiet.wake_all()

    def request(self, number, kind, run):
        """A request to start or stop. Each waits until the one before has been
        answered or cancelled, and until nothing is owed."""
        self._close("the channel is stopped")
        before = self._turn
        turn = self._turn = _Turn(before)

        async def serve(req):
            try:
                if before:
                    await before.wait()
                self._close("the channel is stopped")  # a start opened it
                while self._owed:
                    await self._for_quiet.wait()
                if kind == "channel.stop":
                    await self._told()
                self.runs = False
                result = await run(req)
                if req.cancelled:
                    raise Error("cancelled", "cancelled")
                self.runs = kind == "channel.start"
                self.plugin._send([1, req.id, None, result])
                self.plugin._finish(req)
            except BaseException:
                if self._starting is req:
                    self._close("the channel is not started")
                raise
            finally:
                turn.end()

        def begin(req):  # for a task that is cancelled before it runs
            req.on_cancel(lambda: self._cancelled(req, turn))
            return serve(req)
        self.plugin._begin_inner(number, kind, begin)

    async def _told(self):
        """Those who wait for a message hear of its end before the stop."""
        future = self.plugin._loop.future()
        self.plugin._loop.soon(_resolve, future)
        await future

    def _cancelled(self, req, turn):
        if self._starting is req:
            self._close("the start was cancelled")
        turn.end()

    def start(self, number, channel, offer, epoch, cursor):
        async def run(req):
            self._starting = req
            self._open(epoch, cursor)
            _need_none("the start of channel %s" % self.name,
                       await self.plugin._run_offer(offer, channel))
        self.request(number, "channel.start", run)

    def stop(self, number, channel):
        async def run(_):
            self._starting = None
            cursor = _bytes_of_cursor(
                await self.plugin._run_offer(channel._stop))
            return [self.cursor if cursor is None else cursor]
        self.request(number, "channel.stop", run)


def _receipt_of(value):
    if isinstance(value, dict):
        check_json(value, DEPTH_MAX - 6)
        return value
    if value is None:
        return {"ids": []}
    ids = value if isinstance(value, (list, tuple)) else [value]
    return {"ids": [str(each) for each in ids]}


class Plugin:
    """One plugin: register with the decorators, then run().

    name and version are the package's; threads bounds the pool; loop is
    "light", "asyncio" or "auto" (asyncio if that is imported by then)."""

    def __init__(self, name, version, threads=8, loop="auto"):
        self.name, self.version = name, version
        self.id = os.environ.get("SUPD_PLUGIN", name)
        self.generation = int(os.environ.get("SUPD_GENERATION", "0"))
        self.data_dir = os.environ.get("SUPD_DATA_DIR", ".")
        self.settings = {}
        self._threads, self._loop_wish = threads, loop
        # these three are replaced together
        self._offers = []   # in the order of `ready`
        self._named = {}    # (kind, name) -> offer
        self._services = {}  # name -> _Service
        self._channels = {}  # name -> Channel
        self._running = {}   # name -> _Running, also of former ones
        self._starts = {}   # name -> how many run, _Line of waiting stops
        self._hooks = {}    # health, export, import, configure, start, take...
        self._state_version = 1
        self._loop = self._link = self._pool = self._logger = None
        self._loop_thread = None
        self._requests = {}  # id -> Request, until its last word
        self._trace = None   # (id, traceparent) of the next message
        self._conns = {}     # id -> WebSocket
        self._ws_asks = {}   # id of a ws.open or ws.move -> WebSocket
        self._calls = {}
        self._last_id = 0
        self._draining = self._drained = self._is_offered = False
        self._is_changing = False  # replace_offers() calls its function
        self._body_max, self._inline_max = 10 * 1024 * 1024, 64 * 1024
        self._credit_bytes = 256 * 1024

    # ---- offering something ----

    def _offer(self, kind, name, function, inline, fields, body_limit=None):
        if self._is_offered:
            raise RuntimeError("cannot register once the plugin is ready")
        fields = {k: v for k, v in fields.items() if v is not None}
        fields.update(kind=kind, name=name)
        offer = _Offer(function, inline, fields, body_limit)
        self._offers.append(offer)
        self._named[kind, name] = offer
        return function

    def http(self, method, path, idempotent=None, body_limit=None,
             inline=False):
        """A route: handler(req). path: "/a/{id}", "/files/*"; idempotent: may
        it be repeated if the worker dies (None: depends on the method)."""
        fields = {"method": method, "path": path, "idempotent": idempotent,
                  "body_limit": body_limit}
        return lambda function: self._offer(
            "http", "%s %s" % (method, path), function, inline, fields,
            body_limit)

    def websocket(self, path, protocols=None, message_limit=None, pinned=None,
                  idempotent=None):
        """WebSocket connections: an async handler(ws) for each. protocols: the
        subprotocols that it speaks; message_limit: bytes, of either side;
        pinned: over a reload a connection stays with its worker until it is
        closed, instead of being moved to the next one."""
        fields = {"method": "GET", "path": path, "websocket": True,
                  "protocols": list(protocols) if protocols else None,
                  "message_limit": message_limit, "pinned": pinned,
                  "idempotent": idempotent}

        def register(function):
            self._offer("http", "GET %s websocket" % path, function, False,
                        fields)
            if self._offers[-1].mode != _ASYNC:
                raise TypeError("the handler of a websocket must be async")
            return function
        return register

    def tool(self, name, description=None, schema=None, idempotent=None,
             inline=False, validate=True):
        """handler(args) or handler(args, req); schema: JSON Schema of args, a
        dict or JSON text. supd checks the arguments against it before it
        calls the handler, unless validate is False."""
        fields = {"description": description, "schema": schema,
                  "idempotent": idempotent,
                  "validate": None if validate else False}
        return lambda function: self._offer("tool", name, function, inline,
                                            fields)

    def method(self, name, idempotent=None, inline=False):
        """handler(args) or handler(args, req)."""
        return lambda function: self._offer(
            "method", name, function, inline, {"idempotent": idempotent})

    def command(self, name, help=None, inline=False):
        """handler(text) or handler(text, req); returns a string."""
        return lambda function: self._offer("command", name, function, inline,
                                            {"help": help})

    def hook(self, event, name=None, match=None, timeout=0, idempotent=None,
             inline=False):
        """handler(data) or handler(data, req) is called for each event of that
        name, "bot.said", or below it, "bot.*"; "*" is all. Once each, in order,
        one at a time, also over reloads; what it returns is ignored. match:
        {field: value or [value…]} of the data; name: unique in the plugin, the
        event's if None; idempotent: an event may come again if the worker dies
        with it."""
        return lambda function: self._offer(
            "hook", name or event, function, inline,
            {"event": event, "match": match, "idempotent": idempotent,
             "timeout_ms": _whole_ms(timeout) or None})

    def filter(self, event, priority=0, name=None, match=None, timeout=0,
               on_error=None, inline=False):
        """handler(data) or handler(data, req) decides what becomes of an event,
        which waits for it: tool.before, tool.after, command.before,
        message.inbound or message.sending. It returns None (go on), change(),
        stop() or claim(). Filters of a higher priority are asked first.
        on_error: "stop" or "skip", when it fails, is late or is not there."""
        return lambda function: self._offer(
            "hook", name or event, function, inline,
            {"event": event, "filter": True, "priority": priority,
             "match": match, "on_error": on_error,
             "timeout_ms": _whole_ms(timeout) or None})

    def service(self, name, overlap=False):
        """Something that runs on its own: the decorated function starts it, and
        another one stops it:

            @plugin.service("listener")
            async def listener(): ...       # returns once it runs

            @listener.stop
            async def listener_stop(): ...  # returns once it has stopped

        supd starts it when the worker serves, and stops it before the worker
        ends. A reload stops it in the old worker before it starts it in the
        new one; with overlap after that. A start that raises is tried again.
        A stop is called when the start has ended, which is cancelled before
        if it takes too long."""
        def register(function):
            self._offer("service", name, function, False,
                        {"overlap": overlap or None})
            service = _Service(function)
            self._services[name] = service
            return service
        return register

    def service_status(self, name, state, text=""):
        """Reports how a service is: "running", "waiting" (for something
        outside) or "failed" (supd stops it and starts it again). From any
        thread."""
        if state not in ("running", "waiting", "failed"):
            raise ValueError("a state is running, waiting or failed")
        _check_name(name)
        text = str(text)[:256].encode("utf-8", "replace").decode()
        self.post(self._notify, "service.status", name, state, text)

    def channel(self, name, can=("text",), ack=None, overlap=False,
                text_limit=None, announce=False):
        """The one connection to a platform where people write:

            @plugin.channel("chat")
            async def chat(channel): ...    # returns once it is connected

            @chat.send
            async def chat_send(target, content, send_id): ...

            @chat.stop
            async def chat_stop(): ...      # disconnects

        supd starts and stops it like a service; it is in one worker at a time,
        unless it has overlap. chat.receive() takes messages from the call of the
        start to the request to stop. The stop is called when supd has answered
        all of them, and may return a cursor instead of that of the messages.
        can: what it can do, of text, media, reply, thread, edit, delete, react,
        typing, find. ack: "handled" (a message counts as taken when all that was
        to be done with it is done; else when it is stored); text_limit: bytes of
        one text; announce: people hear of a restart before it."""
        def register(function):
            self._offer("channel", name, function, False,
                        {"can": list(can), "ack": ack,
                         "overlap": overlap or None, "text_limit": text_limit,
                         "announce": announce or None})
            if name not in self._running:
                self._running[name] = _Running(self, name)
            channel = Channel(self._running[name], function)
            self._channels[name] = channel
            return channel
        return register

    def _check_offers(self):
        fields = [offer.fields for offer in self._offers]
        check_json(fields, DEPTH_MAX - 2)
        for each in fields:
            if each["kind"] == "channel":
                self._channels[each["name"]]._check(each["can"])
        return fields

    def send(self, channel, chat, content, key=None, timeout=0, **target):
        """Sends to a chat of a channel, of any plugin. content: a str, or a dict
        of text, format and media; target: thread, reply_to. Returns (send_id,
        state, receipt); state is "sent", "not_sent" or "unknown". With the
        same key it is sent once. Awaited on the loop; elsewhere it waits."""
        if isinstance(content, str):
            content = {"text": content, "format": "plain"}
        args = {"target": dict(target, chat=chat), "content": content}
        if key is not None:
            args["key"] = key
        return self.call("channel", channel, args, timeout)

    def act(self, channel, action, chat, id=None, content=None, timeout=0,
            thread=None):
        """Does something to what is there already, by way of a channel that has
        it in its `can`: "edit" (content: a str, or a dict of text, format and
        media), "delete", "react" (content: the emoji) or "typing" (without id).
        id is that of the message at the platform. Returns the platform's
        receipt. It is not kept: after an error it may have been done or not.
        Awaited on the loop; elsewhere it waits."""
        args = {}
        if action == "react":
            args = {"emoji": content}
        elif isinstance(content, str):
            args = {"text": content, "format": "plain"}
        elif content is not None:
            args = content
        target = _without_none({"chat": chat, "id": id, "thread": thread})
        return self.call("channel", channel, {
            "action": action, "target": target, "args": args}, timeout)

    def on_quiesce(self, function):
        """With `reload: exclusive` in the manifest: function() lets go of what
        only one worker may have, in the old worker of a reload. It returns
        None."""
        return self._hook("quiesce", function)

    def on_take(self, function):
        """function(epoch) takes what only one worker may have: in the new
        worker once the old one has let go, when the first one starts, and in
        the old one again if the reload fails. epoch grows with every take. It
        returns None."""
        return self._hook("take", function)

    def cli(self, name, help, arguments=None, inline=False):
        """A command line, `supctl x PLUGIN NAME ARGS...`: handler(req).
        req.argv; `async for piece in req.stream()`, or in a plain handler
        `for piece in req.input()`, is standard input, empty if that is a
        terminal; `await req.write(data)` and `await req.write_error(data)`
        write str or bytes, no faster than the user reads (no await in plain
        handlers). It returns its exit status, 0 to 125; None is 0. ^C
        cancels it. help is one line for people, arguments such as
        "FILE..."."""
        return lambda function: self._offer(
            "cli", name, function, inline,
            {"help": help, "arguments": arguments})

    def schedule(self, name, when, zone=None, catch_up=None, timeout=0,
                 inline=False):
        """handler(tick): called when it is due, "every 30s", "0 3 * * *" (five
        fields of cron, or six with seconds first) or "@daily", in a zone such
        as "Europe/Berlin" (None: the machine's). tick.name, tick.tick_id (the
        same if supd sends it again after it was killed), tick.due (seconds
        since 1970) and tick.missed: 0, or for how many due times it stands that
        could not be delivered in time. catch_up="none" drops those instead.
        Meanwhile the schedule has no other tick. An exception is a failure,
        which is counted and shown."""
        return lambda function: self._offer(
            "schedule", name, function, inline,
            {"when": when, "zone": zone, "catch_up": catch_up,
             "timeout_ms": _whole_ms(timeout) or None})

    def _hook(self, name, function):
        self._hooks[name] = _Offer(function)
        return function

    def health(self, function):
        """function() is called before the plugin takes over from an older one;
        raise the reason to refuse. Without it the plugin counts as
        healthy."""
        return self._hook("health", function)

    def on_start(self, function):
        """function() runs when settings and id are known, and may register
        what they ask for; the plugin is ready when it has returned. If it
        raises, the worker does not start."""
        return self._hook("start", function)

    def on_configure(self, function):
        """function(settings) gets settings that are in force from now on;
        it raises if they cannot be, and the old ones stay. The manifest says
        `configure: true`."""
        return self._hook("configure", function)

    def export_state(self, function=None, version=1):
        """function() returns bytes, or (version, bytes), for the next worker; at
        most 16 MiB. Needs `state: {export: true}` in the manifest."""
        if function is None:
            return lambda f: self.export_state(f, version)
        self._state_version = version
        return self._hook("export", function)

    def import_state(self, function):
        """function(version, bytes) gets the old worker's state before this
        worker serves; raise to refuse it."""
        return self._hook("import", function)

    def replace_offers(self, change):
        """Other registrations while the plugin serves: change() registers and
        withdraws, and all of it takes effect in one step, or nothing does. Awaited
        on the loop, or waited for in a plain handler. Raises Error: `conflict`
        if another plugin has a name, `busy` during a reload or if offers come
        too fast."""
        if self._on_loop():
            return self._offer_now(change)
        done = _Waiter()
        self._loop.post(self._begin_offer, change, done.end)
        return done.wait()

    def withdraw(self, kind=None, name=None):
        """In the function given to replace_offers(): removes the registration
        ("tool", "x"; "http", "GET /x" or "GET /x websocket"), or everything.
        KeyError if there is none."""
        if not self._is_changing:
            raise RuntimeError("withdraw() may be called only in the function "
                               "given to replace_offers()")
        if kind is None:
            self._offers, self._named = [], {}
            self._services, self._channels = {}, {}
            return
        if (kind, name) not in self._named:
            raise KeyError("there is no %s %s to withdraw" % (kind, name))
        self._offers.remove(self._named.pop((kind, name)))
        if kind == "service":
            del self._services[name]
        elif kind == "channel":
            del self._channels[name]

    async def _offer_now(self, change):
        future = self._loop.future()
        self._begin_offer(change, _into(future))
        await future

    def _changed(self, change):
        """What change() makes of the registrations: offers, named, services."""
        if not self._is_offered:
            raise RuntimeError("replace_offers() is for a plugin that serves")
        before = self._registered()
        self._offers, self._named, self._services, self._channels = (
            each.copy() for each in before)
        self._is_offered, self._is_changing = False, True
        try:
            change()
            self._check_offers()
            return self._registered()
        finally:
            self._register(before)
            self._is_offered, self._is_changing = True, False

    def _registered(self):
        return self._offers, self._named, self._services, self._channels

    def _register(self, registered):
        self._offers, self._named, self._services, self._channels = registered

    def _begin_offer(self, change, ended):
        def answered(result, error):
            if error is None:  # requests that follow know them by these
                self._register(changed)
            ended(None, error)
        number = None
        try:
            changed = self._changed(change)
            number = self._last_id + 1
            self._request_own("offer", [[offer.fields for offer in
                                         changed[0]]], answered)
        except BaseException as problem:
            self._calls.pop(number, None)
            ended(None, problem)

    # ---- the plugin itself ----

    def setting(self, path, fallback=None):
        """The setting at "server.port"; the fallback if there is none or its
        type is not the fallback's."""
        value = self.settings
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                return fallback
            value = value[key]
        if fallback is None or type(value) is type(fallback) or (
                type(fallback) is float and type(value) is int):
            return value
        return fallback

    def post(self, function, *arguments):
        """Calls the function on the loop; from any thread, after run()."""
        if self._loop is None:
            raise RuntimeError("nothing can be posted before run()")
        if self._on_loop():
            self._loop.soon(self._guard, function, arguments)
        else:
            self._loop.post(self._guard, function, arguments)

    def _guard(self, function, arguments):
        try:
            function(*arguments)
        except BaseException as problem:
            self._log_problem("what was posted", problem)

    def spawn(self, coroutine):
        """Runs a coroutine in the background, on the loop; it has cancel()."""
        self._need_loop_thread()
        return self._loop.start(_without_end(coroutine),
                                self._background_ended)

    def _background_ended(self, problem):
        if problem is not None and not isinstance(problem, Cancelled):
            self._log_problem("in the background", problem)

    async def in_thread(self, function, *arguments):
        """Runs a plain function in the pool and returns its result."""
        return await self._in_pool(function, *arguments)

    def log(self, level, text):
        """level: error, warn, info, debug, or one of logging's; any other is
        info. From any thread, before run(), too: then it is written to
        stderr."""
        level = _level_of(level)
        text = str(text)[:LOG_MAX].encode("utf-8", "replace").decode()
        if self._link is None:
            print("%s: %s" % (level, text), file=sys.stderr)
        elif self._on_loop():
            self._notify("log", level, text)
        else:
            self._loop.post(self._notify, "log", level, text)

    @property
    def logger(self):
        """A logging.Logger whose records go to supd with their levels."""
        if self._logger is None:
            import logging
            self._logger = logging.getLogger(self.name)
            self._logger.setLevel(logging.DEBUG)
            self._logger.propagate = False
            self._logger.addHandler(_log_handler()(self))
        return self._logger

    def emit(self, event, data=None):
        """Emits an event; from any thread, after run(). NotJson if data
        cannot be sent."""
        _check_name(event)
        check_json(data, DEPTH_MAX - 2)
        parameters = (event, data) + _serving_id()
        if self._on_loop():
            self._notify("emit", *parameters)
        else:
            self.post(self._notify, "emit", *parameters)

    def call(self, kind, name, args=None, timeout=0):
        """Calls another plugin: kind "tool", "method" or "command", and the full
        name, as `supctl routes` shows it. Kind "event" emits an event, like
        emit(), and ends when all hooks that match have taken it, or with the
        Error "busy". An async handler awaits the result; in a plain handler
        the call returns it. Raises Error, NotJson. timeout: seconds, 0 the
        gateway's."""
        _check_name(kind)
        _check_name(name)
        check_json(args, DEPTH_MAX - 2)
        parameters = [kind, name, args, _whole_ms(timeout), *_serving_id()]
        if self._on_loop():
            return self._call(parameters)
        done = _Waiter()
        self._loop.post(self._begin_call, parameters, done.end)
        return done.wait()

    async def _call(self, parameters):
        future = self._loop.future()
        self._begin_call(parameters, _into(future))
        return await future

    def _begin_call(self, parameters, answered):
        self._last_id += 1
        self._calls[self._last_id] = answered
        try:
            self._send([0, self._last_id, "call", parameters])
        except (TypeError, ValueError, OverflowError) as problem:
            del self._calls[self._last_id]
            answered(None, Error("bad_message", str(problem)))

    # ---- running ----

    def run(self):
        """Connects, serves, and ends the process when supd closes the link. If
        the plugin cannot start, exits with a message on stderr."""
        for name in ("SUPD_SOCKET", "SUPD_NONCE"):
            if name not in os.environ:
                self._leave(EXIT_USAGE, "%s is not set: supd starts plugins"
                            % name)
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        try:
            self._link = _Link(os.environ["SUPD_SOCKET"])
        except (OSError, _Closed) as problem:
            self._leave(EXIT_LINK, "cannot connect to supd: %s" % problem)
        _show_in_ps(self.id, self.generation)
        self._make_loop()
        self._take_over_logging()
        self._request_own("hello", [PROTOCOL, os.environ["SUPD_NONCE"],
                                    "python/" + __version__], self._on_hello)
        self._link.flush()
        try:
            self._loop.run(self._link, self._on_readable)
        except KeyboardInterrupt:
            self._leave(130, "interrupted")

    def _make_loop(self):
        global _loop
        asyncio = self._loop_wish == "asyncio" or (
            self._loop_wish == "auto" and "asyncio" in sys.modules)
        _loop = self._loop = _AsyncioLoop() if asyncio else _LightLoop()
        self._loop.open_pipe()
        self._loop_thread = _thread_id()

    def _take_over_logging(self):
        """Records without another handler go to supd with their levels."""
        logging = sys.modules.get("logging")
        if logging and not logging.getLogger().handlers:
            logging.getLogger().addHandler(_log_handler()(self))

    def _leave(self, code, why=None):
        if why:
            print("supd.py: %s" % why, file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        os._exit(code)

    def _on_loop(self):
        return _thread_id() == self._loop_thread

    def _need_loop_thread(self):
        if not self._on_loop():
            raise RuntimeError(
                "only the loop may call this; post() runs a function there")

    # ---- the conversation ----

    def _send(self, message):
        self._link.send(message)
        self._loop.flush_soon(self._link)

    def _notify(self, name, *parameters):
        self._send([2, name, parameters])

    def _request_own(self, name, parameters, answered):
        self._last_id += 1
        self._calls[self._last_id] = answered
        self._send([0, self._last_id, name, parameters])

    def _on_readable(self):
        try:
            for message in self._link.receive():
                self._on_message(message)
        except _Closed as closed:
            self._link.flush()
            text = str(closed)
            self._leave(EXIT_LINK if text else EXIT_DONE, text and
                        "lost the link to supd: %s" % text)
        except Malformed as problem:
            self._leave(EXIT_LINK, "malformed message from supd: %s" % problem)

    def _on_message(self, message):
        if type(message) is not list or len(message) < 3:
            raise Malformed("not an array of three or four")
        kind = message[0]
        if kind == 0 and len(message) == 4:
            self._on_request(*message[1:])
        elif kind == 2 and len(message) == 3:
            handler = _fitting(_NOTIFICATIONS, message[1], message[2])
            if handler:
                handler(self, *message[2])
        elif kind == 1 and len(message) == 4:
            self._on_response(message[1], message[2], message[3])
        else:
            raise Malformed("a message of kind %r" % (kind,))

    def _on_request(self, number, name, parameters):
        if type(number) is not int:
            raise Malformed("a request whose id is %r" % (number,))
        handler = _fitting(_REQUESTS, name, parameters)
        if handler:
            handler(self, number, name, *parameters)
        elif type(name) is str and name not in _REQUESTS:
            self._send([1, number, [
                "not_found", "the worker knows no such request"], None])
        else:
            self._send([1, number, [
                "bad_message", "the parameters have the wrong types"], None])

    def _on_response(self, number, error, result):
        answered = self._calls.pop(number, None) \
            if type(number) is int else None
        if answered:
            answered(result, None if error is None else _error_of(error))

    def _on_hello(self, result, error):
        if error:
            self._leave(EXIT_REFUSED, "supd refused hello: %s" % error.text)
        if type(result) is not list or not _fit((str, int, dict, dict), result):
            self._leave(EXIT_LINK, "the answer to hello is malformed")
        self.id, self.generation, self.settings, limits = result[:4]
        self._on_limits(limits)
        if "start" in self._hooks:
            self._loop.start(self._run_hook("start"), self._started)
        else:
            self._started(None)

    def _on_limits(self, limits):
        def limit(key, fallback):
            value = limits.get(key)
            return value if type(value) is int and value > 0 else fallback
        self._body_max = limit("body", self._body_max)
        self._inline_max = min(limit("inline_body", self._inline_max),
                               MESSAGE_MAX // 2)
        self._credit_bytes = limit("credit", self._credit_bytes)

    def _started(self, problem):
        if problem:
            self._print_problem("the start of %s" % self.id, problem)
            self._leave(EXIT_INIT)
        self._is_offered = True
        try:
            self._request_own("ready", [self.version, self._check_offers()],
                              self._on_ready)
        except (TypeError, ValueError) as problem:
            self._leave(EXIT_INIT, "the registrations: %s" % problem)

    def _on_ready(self, result, error):
        if error:
            self._leave(EXIT_REFUSED, "supd refused ready: %s" % error.text)

    # ---- requests ----

    def _take_http(self, number, _, registration, method, path, params, query,
                   headers, body, more, peer, deadline_ms, *_more):
        req = Request(self, "http", number, deadline_ms)
        req.method, req.path, req.params, req.query = (
            method, path, params, query)
        req._headers, req.peer = headers, peer
        req._pieces, req._more = [body], more
        self._requests[number] = req
        if not 0 <= registration < len(self._offers) or \
                self._offers[registration].fields["kind"] != "http":
            self._fail(req, "not_found", "there is no such registration")
            return
        req._offer = offer = self._offers[registration]
        if more and offer.mode != _ASYNC:
            self._start(req, self._serve_collected(req))
        else:
            self._dispatch(req, (req,))

    def _take_ws_open(self, number, _, conn, registration, path, params, query,
                      headers, peer, moved, deadline_ms, *_more):
        offer = self._offers[registration] \
            if 0 <= registration < len(self._offers) else None
        if not offer or not offer.fields.get("websocket"):
            self._send([1, number, [
                "not_found", "there is no such registration"], None])
            return
        ws = WebSocket(self, number, conn, offer, path, params, query,
                       headers, peer, moved)
        self._ws_asks[number] = self._conns[conn] = ws
        ws._task = self._loop.start(
            self._serve_ws(ws), lambda problem: self._ws_ended(ws, problem))

    async def _serve_ws(self, ws):
        try:
            got = ws._offer.function(ws)
            if hasattr(got, "__aiter__"):
                raise TypeError("the handler of a websocket must not yield")
            got = await got
        except (SystemExit, KeyboardInterrupt) as problem:
            raise _no_end(problem) from problem
        got = _response_of(got) if isinstance(got, tuple) else got
        if isinstance(got, Response):
            ws._refuse(got.status, got.headers)
        else:
            ws._refuse(got if type(got) is int else 403)
        ws._close(1000, "")

    def _ws_ended(self, ws, problem):
        ws._task = None
        if problem is None:
            return
        if isinstance(problem, Error) and ws._number is not None:
            ws._fail(problem.code, str(problem.text))
            return
        if not isinstance(problem, (Closed, Error, Cancelled,
                                    _LightCancelled)):
            self._log_problem("websocket %s" % ws.path, problem)
        ws._refuse(500)
        ws._close(1011, "")

    def _take_ws_move(self, number, _, conn, *_more):
        ws = self._conns.get(conn)
        if not ws:
            self._send([1, number, None, None])
            return
        self._ws_asks[number] = ws
        ws._inbox.append((number,))
        ws._receivers.wake_one()

    def _on_trace(self, number, text, *_):
        self._trace = (number, text)  # of the next message

    def _on_ws_message(self, conn, opcode, piece, more, *_):
        ws = self._conns.get(conn)
        if ws:
            ws._arrive(opcode, piece, more)

    def _on_ws_close(self, conn, code, reason, *_):
        ws = self._conns.get(conn)
        if ws:
            ws._end(Closed(code, reason))

    def _take_named(self, number, kind, name, args, third, fourth, *_more):
        command = kind == "command"
        req = Request(self, kind, number, fourth if command else third)
        req.name, req.args = name, args
        req.caller = third if command else fourth
        req._headers = ()
        self._requests[number] = req
        req._offer = self._named.get((kind, name))
        if req._offer:
            self._dispatch(req, (args, req))
        else:
            self._fail(req, "not_found",
                       "the plugin has no registration of this name")

    def _take_event(self, number, kind, name, event, data, context,
                    deadline_ms, *_more):
        req = Request(self, kind, number, deadline_ms)
        req.name, req.event, req.data, req.context = name, event, data, context
        self._requests[number] = req
        req._offer = self._named.get((kind, name))
        if req._offer:
            self._dispatch(req, (data, req))
        else:
            self._fail(req, "not_found", "the plugin has no hook of this name")

    def _take_cli(self, number, kind, name, argv, context, deadline_ms,
                  *_more):
        req = Request(self, "cli", number, deadline_ms)
        req.name, req.argv, req.caller = name, argv, context
        req._pieces, req._more = [b""], context.get("stdin") is True
        req._credit = self._credit_bytes
        self._requests[number] = req
        req._offer = self._named.get(("cli", name))
        if req._offer:
            self._dispatch(req, (req,))
        else:
            self._fail(req, "not_found",
                       "the plugin has no command line of this name")

    def _wait_for(self, awaitable):
        """Its result, in a thread of the pool."""
        done = _Waiter()

        async def run():
            try:
                value, problem = await awaitable, None
            except BaseException as caught:
                value, problem = None, caught
            done.end(value, problem)
        self.post(lambda: self._loop.start(run(), lambda problem: None))
        return done.wait()

    async def _write(self, req, fd, data):
        if req.kind != "cli":
            raise TypeError("only a command line writes")
        data = data.encode() if isinstance(data, str) else bytes(data)
        await self._push(req, data, fd)

    def _take_tick(self, number, kind, name, tick_id, due_ms, missed,
                   deadline_ms, *_more):
        req = Request(self, "schedule", number, deadline_ms)
        req.name, req.tick_id, req.missed = name, tick_id, missed
        req.due = due_ms / 1000
        self._requests[number] = req
        req._offer = self._named.get(("schedule", name))
        if req._offer:
            self._dispatch(req, (req,))
        else:
            self._fail(req, "not_found",
                       "the plugin has no schedule of this name")

    def _take_probe(self, number, _, registration, kind, name, *_more):
        offer = self._offers[registration] \
            if 0 <= registration < len(self._offers) else None
        if offer and offer is self._named.get((kind, name)):
            self._send([1, number, None, None])
        else:
            self._send([1, number, [
                "not_found", "there is no such registration"], None])

    def _take_ping(self, number, *_):
        self._send([1, number, None, None])

    def _dispatch(self, req, arguments):
        offer = req._offer
        arguments = arguments[:offer.takes]
        if offer.mode == _ASYNC:
            self._start(req, self._serve(req, offer.function, arguments))
        elif offer.mode == _POOL:
            self._submit(lambda value, problem: self._served(
                req, value, problem), self._unless_cancelled, req,
                offer.function, arguments)
        else:
            before = _serving.set(req)
            try:
                value, problem = offer.function(*arguments), None
            except BaseException as caught:
                value, problem = None, caught
            self._served(req, value, problem)
            _serving.reset(before)

    @staticmethod
    def _unless_cancelled(req, function, arguments):
        if req.cancelled:
            raise Error("cancelled", "cancelled")
        before = _serving.set(req)
        try:
            return function(*arguments)
        finally:
            _serving.reset(before)

    def _served(self, req, value, problem):
        """A plain handler has returned; on the loop."""
        if problem is not None:
            self._fail_by(req, problem)
        elif _is_awaitable(value):
            self._start(req, self._serve(req, lambda: value, ()))
        else:
            rest = self._answer(req, value)
            if rest:
                self._start(req, rest)

    def _start(self, req, coroutine):
        task = self._loop.start(
            coroutine, lambda problem: self._serve_ended(req, problem))
        if req._state != _DONE:
            req._task = task

    def _serve_ended(self, req, problem):
        """Makes sure that the request gets an answer."""
        req._task = None
        if problem is not None:
            self._fail_by(req, problem)
        elif req._state != _DONE and req.cancelled:
            self._fail_by(req, Cancelled())

    async def _serve(self, req, function, arguments):
        _serving.set(req)
        try:
            value = function(*arguments)
            if _is_awaitable(value):
                value = await value
            rest = self._answer(req, value)
            if rest:
                await rest
        except (SystemExit, KeyboardInterrupt) as problem:
            raise _no_end(problem) from problem

    async def _serve_collected(self, req):
        """A plain handler whose body is still arriving."""
        req._pieces = [await req._collect()]
        function = req._offer.function
        arguments = (req,)[:req._offer.takes]
        if req._offer.mode == _POOL:
            value = await self._in_pool(
                self._unless_cancelled, req, function, arguments)
            await self._serve(req, lambda: value, ())
        else:
            await self._serve(req, function, arguments)

    # ---- answers ----

    def _finish(self, req):
        req._state = _DONE
        self._requests.pop(req.id, None)
        if self._draining:
            self._check_drained()

    def _fail(self, req, code, text):
        if req._state == _DONE:
            return
        if req._state == _STREAMING and req.cancelled:
            self._notify("chunk", req.id, b"", False)
        elif req._state == _STREAMING:
            self._notify("cancel", req.id)  # the client sees it cut
        else:
            text = text[:1024].encode("utf-8", "replace").decode()
            self._send([1, req.id, [code, text], None])
        self._finish(req)

    def _fail_by(self, req, problem):
        """The answer for an exception of a handler, whatever it is."""
        try:
            self._fail_for(req, problem)
        except BaseException as another:
            self._fail(req, "failed", _text_of(another))

    def _fail_for(self, req, problem):
        what = req.name or "%s %s" % (req.method, req.path) \
            if req.kind in ("http", "tool", "method", "command", "schedule",
                            "hook", "cli") \
            else req.kind
        if req.cancelled or isinstance(problem, (Cancelled, _LightCancelled)):
            self._fail(req, "cancelled", "cancelled")
        elif isinstance(problem, Error):
            if req._state == _STREAMING:
                self.log("warn", "%s abandoned its answer: %s" % (
                    what, problem))
            self._fail(req, problem.code, str(problem.text))
        else:
            self._log_problem(what, problem)
            if req.kind == "http" and req._state == _OPEN:
                self._answer(req, Response(500, None, "the plugin failed\n"))
            else:
                self._fail(req, "failed", _text_of(problem))

    def _answer(self, req, value):
        """Sends what a handler returned; a coroutine if that takes time."""
        if req.cancelled:
            self._fail(req, "cancelled", "cancelled")
            return None
        try:
            if req.kind == "http":
                return self._answer_http(req, value)
            if req.kind == "schedule":
                value = None
            if req.kind == "hook":
                value = _verdict_of(req, value)
            elif req.kind == "cli":
                value = [_exit_status(value)]
            if req.kind == "command" and not isinstance(value, str):
                value = "" if value is None else to_json(value)
            check_json(value, DEPTH_MAX - 1)
            self._send([1, req.id, None, value])
        except _TooLarge:
            self._fail(req, "failed", "the answer is larger than 1 MiB")
        except BaseException as problem:  # of its conversions, too
            self._fail_by(req, problem)
        else:
            self._finish(req)
        return None

    def _answer_http(self, req, value):
        quick = _QUICK.get(type(value))
        if quick:
            headers, packed, encode = quick
            body = encode(value) if encode else value
            if len(body) <= self._inline_max:
                self._link.send_packed(_quick_answer(req.id, packed, body))
                self._loop.flush_soon(self._link)
                self._finish(req)
                return None
            return self._answer_long(req, 200, headers, body)
        response = _response_of(value)
        if _is_pieces(response.body):
            return self._answer_pieces(req, response)
        content_type, body = _body_of(response.body)
        headers = _headers_of(response.headers, content_type)
        if len(body) > self._inline_max:
            return self._answer_long(req, response.status, headers, body)
        self._send([1, req.id, None, [response.status, headers, body, False]])
        self._finish(req)
        return None

    def _begin_answer(self, req, head):
        self._send([1, req.id, None, head])
        req._state = _STREAMING
        req._credit = self._credit_bytes

    async def _answer_long(self, req, status, headers, body):
        self._begin_answer(req, [status, headers, b"", True])
        await self._push(req, body)
        self._end_answer(req)

    async def _answer_pieces(self, req, response):
        _serving.set(req)
        pieces = response.body
        if not hasattr(pieces, "__aiter__"):
            pieces = self._pieces_of_pool(pieces)
        try:
            if response.headers:  # all is said: the head need not wait
                self._begin_answer(req, [response.status, _headers_of(
                    response.headers, "application/octet-stream"), b"", True])
            async for piece in pieces:
                if req._state == _OPEN:
                    self._begin_answer(req, [response.status, _headers_of(
                        _no_cache(piece), _type_of_pieces(piece)), b"", True])
                await self._push(req, _piece_of(piece))
        finally:
            close = getattr(pieces, "aclose", None)
            if close:
                await close()
        if req._state == _OPEN:
            self._answer(req, Response(response.status, response.headers, b""))
        else:
            self._end_answer(req)

    async def _pieces_of_pool(self, generator):
        end = object()
        try:
            while True:
                piece = await self._in_pool(next, generator, end)
                if piece is end:
                    return
                yield piece
        finally:
            close = getattr(generator, "close", None)
            if close:
                self._submit(lambda value, problem: None, close)

    async def _push(self, req, data, fd=None):
        """Sends bytes of an answer while there is credit, then waits."""
        at, size = 0, len(data)
        while at < size:
            if req.cancelled:
                raise Error("cancelled", "cancelled")
            while req._credit <= 0:
                writable = self._loop.future()
                req._writable = (req._writable or []) + [writable]
                await writable
            length = min(CHUNK_BYTES, req._credit, size - at)
            piece = data[at:at + length] if length < size else data
            if fd:
                self._notify("cli.output", req.id, fd, piece)
            else:
                self._notify("chunk", req.id, piece, True)
            req._credit -= length
            at += length

    def _end_answer(self, req):
        self._notify("chunk", req.id, b"", False)
        self._finish(req)

    # ---- notifications ----

    def _on_chunk(self, number, piece, more, *_):
        req = self._requests.get(number)
        if req and req._pieces is not None and req._more:
            req._arrive(piece, more)

    def _on_credit(self, number, size, *_):
        ws = self._conns.get(number)
        if ws:
            ws._credit += size
            if ws._writable:
                _resolve(ws._writable)
            return
        req = self._requests.get(number)
        if req and (req._state == _STREAMING or req.kind == "cli"):
            req._credit += size
            writers, req._writable = req._writable, None
            for writable in writers or ():
                _resolve(writable)

    def _on_cancel(self, number, *_):
        ws = self._ws_asks.pop(number, None)
        if ws:  # of ws.open or ws.move: it is no longer ours
            if ws._number == number:
                ws._number = None
                self._send([1, number, ["cancelled", "cancelled"], None])
                ws._end(Closed(1006, "the client left"))
            else:
                self._send([1, number, None, None])
                ws._end(Closed(1006, "moved to another worker"))
            return
        req = self._requests.get(number)
        if not req or req.cancelled:
            return
        req.cancelled = True
        try:
            req._tell_cancel()
        except BaseException as problem:
            self._log_problem("on_cancel", problem)
        if req._task:
            req._task.cancel()
        elif req.kind == "cli":  # a thread may wait for one of these
            waiting = (req._writable or []) + [req._arrival]
            req._writable = req._arrival = None
            for future in filter(None, waiting):
                _fail(future, Error("cancelled", "cancelled"))

    def _on_drain(self, *_):
        self._draining = True
        self._check_drained()

    def _on_resume(self, *_):
        self._draining = self._drained = False

    def _check_drained(self):
        if self._draining and not self._drained and not self._requests:
            self._drained = True
            self._notify("drained")

    # ---- health, settings, state ----

    async def _run_hook(self, name, *arguments):
        return await self._run_offer(self._hooks[name], *arguments)

    async def _run_offer(self, hook, *arguments):
        arguments = arguments[:hook.takes]
        if hook.mode == _POOL:
            value = await self._in_pool(hook.function, *arguments)
        else:
            value = hook.function(*arguments)
        return await value if _is_awaitable(value) else value

    def _begin_inner(self, number, kind, coroutine_of, pieces=None,
                     more=False):
        req = Request(self, kind, number, 0)
        req.name = req.path = None
        # Known before it starts: chunks may stand right behind the request.
        req._pieces, req._more = pieces, more
        self._requests[number] = req
        self._start(req, _without_end(coroutine_of(req)))

    def _take_health(self, number, *_):
        if "health" not in self._hooks:
            self._send([1, number, None, None])
            return

        async def check(req):
            await self._run_hook("health")
            self._answer(req, None)
        self._begin_inner(number, "health", check)

    def _lacks(self, number, hook, text):
        if hook in self._hooks:
            return False
        self._send([1, number, ["not_found", text], None])
        return True

    def _take_configure(self, number, _, settings, *_more):
        if self._lacks(number, "configure",
                       "the plugin takes no settings while it runs"):
            return

        async def configure(req):
            await self._run_hook("configure", settings)
            self.settings = settings
            self._answer(req, None)
        self._begin_inner(number, "configure", configure)

    def _take_take(self, number, _, epoch, *_more):
        self._take_hook(number, "take", "the plugin has no on_take", epoch)

    def _take_quiesce(self, number, *_):
        self._take_hook(number, "quiesce", "the plugin has no on_quiesce")

    def _take_hook(self, number, hook, lacking, *arguments):
        if self._lacks(number, hook, lacking):
            return

        async def run(req):
            _need_none("on_" + hook, await self._run_hook(hook, *arguments))
            self._answer(req, None)
        self._begin_inner(number, hook, run)

    def _take_start(self, number, _, name, *_more):
        service = self._services.get(name)
        offer = self._named.get(("service", name))

        async def start(req):
            count, stops = self._starts.get(name, (0, _Line()))
            self._starts[name] = count + 1, stops
            try:
                _need_none("the start of service %s" % name,
                           await self._run_offer(offer))
            finally:
                count, stops = self._starts.pop(name)
                if count > 1:
                    self._starts[name] = count - 1, stops
                else:
                    stops.wake_all()
            self._answer(req, None)
        self._begin_service(number, service, "service.start", name, start)

    def _take_stop(self, number, _, name, *_more):
        service = self._services.get(name)

        async def stop(req):
            if name in self._starts:
                await self._starts[name][1].wait()
            if service._stop:
                _need_none("the stop of service %s" % name,
                           await self._run_offer(service._stop))
            self._answer(req, None)
        self._begin_service(number, service, "service.stop", name, stop)

    def _take_channel_start(self, number, kind, name, epoch, cursor, *_more):
        channel = self._channels.get(name)
        if channel:
            channel._running.start(number, channel,
                                   self._named["channel", name], epoch, cursor)
        else:
            self._begin_service(number, None, kind, name, None)

    def _take_channel_stop(self, number, kind, name, *_more):
        channel = self._channels.get(name)
        if channel:
            channel._running.stop(number, channel)
        else:
            self._begin_service(number, None, kind, name, None)

    def _take_channel_send(self, number, kind, name, send_id, target, content,
                           *_more):
        self._take_outbound(number, name, kind, target, content, send_id)

    def _take_channel_find(self, number, kind, name, send_id, target, since_ms,
                           *_more):
        self._take_outbound(number, name, kind, send_id, target,
                            since_ms / 1000)

    def _take_channel_act(self, number, kind, name, action, target, args,
                          *_more):
        self._take_outbound(number, name, kind, action, target, args)

    def _take_outbound(self, number, name, kind, *arguments):
        channel = self._channels.get(name)
        function = getattr(channel, kind.replace("channel.", "_"), None)
        is_act = kind == "channel.act"

        async def run(req):
            _serving.set(req)
            try:
                state = "sent"
                receipt = _receipt_of(
                    await self._run_offer(function, *arguments))
            except NotSent as problem:
                if is_act:
                    raise Error("failed", str(problem)) from problem
                state, receipt = "not_sent", {"text": str(problem)[:500]}
            except Retry as problem:
                if is_act:
                    raise Error("busy", problem.args[1] or
                                "the platform is busy") from problem
                state = "retry"
                receipt = {"after_ms": _whole_ms(problem.seconds)}
            if req.cancelled:
                raise Error("cancelled", "cancelled")
            self._send([1, req.id, None,
                        receipt if is_act else [state, receipt]])
            self._finish(req)
        if function is None:
            self._send([1, number, [
                "not_found", "the channel cannot do this"], None])
        elif channel._running.runs:
            self._begin_inner(number, kind, run)
        elif kind == "channel.send":
            self._send([1, number, None, ["retry", {"after_ms": 1000}]])
        else:
            self._send([1, number, [
                "busy", "the channel is not connected"], None])

    def _begin_service(self, number, service, kind, name, coroutine_of):
        if service is None:
            self._send([1, number, [
                "not_found", "there is no %s of this name"
                % kind.split(".")[0]], None])
        else:
            self._begin_inner(number, kind, coroutine_of)

    def _take_export(self, number, *_):
        if not self._lacks(number, "export", "the plugin exports no state"):
            self._begin_inner(number, "export", self._export)

    async def _export(self, req):
        got = await self._run_hook("export")
        version, blob = got if isinstance(got, tuple) else (
            self._state_version, got)
        if not isinstance(blob, (bytes, bytearray, memoryview)):
            raise TypeError("state is bytes, or (version, bytes), not %s"
                            % type(blob).__name__)
        blob = bytes(blob)
        if len(blob) > STATE_MAX:
            raise Error("too_large", "the state is larger than 16 MiB")
        first, rest = blob[:self._inline_max], blob[self._inline_max:]
        if req.cancelled:
            raise Error("cancelled", "cancelled")
        self._send([1, req.id, None, [version, first, bool(rest),
                                      _sha256(blob)]])
        if rest:
            req._state = _STREAMING
            req._credit = self._credit_bytes
            await self._push(req, rest)
            self._notify("chunk", req.id, b"", False)
        self._finish(req)

    def _take_import(self, number, _, version, blob, more=False, sha256="",
                     *_more):
        if self._lacks(number, "import", "the plugin imports no state"):
            return

        async def load(req):
            req._offer = _Offer(load, body_limit=STATE_MAX)
            whole = await req._collect()
            if sha256 and _sha256(whole) != sha256:
                raise Error("bad_message", "the state's checksum is wrong")
            await self._run_hook("import", version, whole)
            self._answer(req, None)
        self._begin_inner(number, "import", load, [blob], more)

    # ---- threads and troubles ----

    def _submit(self, finished, function, *arguments):
        if self._pool is None:
            self._pool = _Pool(self._loop, self._threads)
        self._pool.submit(finished, function, *arguments)

    async def _in_pool(self, function, *arguments):
        future = self._loop.future()
        self._submit(_into(future), copy_context().run, function, *arguments)
        return await future

    def _print_problem(self, what, problem):
        print("%s failed: %s" % (what, _traceback_of(problem)),
              file=sys.stderr)

    def _log_problem(self, what, problem):
        try:
            text = _traceback_of(problem)
        except BaseException:  # of its own methods
            text = _text_of(problem)
        self.log("error", "%s failed: %s" % (what, text))


# name -> what takes it, and the types of its parameters
_REQUESTS = {
    "http": (Plugin._take_http, (int, str, str, dict, str, list, bytes, bool,
                                 str, int)),
    "tool": (Plugin._take_named, (str, object, int, object)),
    "method": (Plugin._take_named, (str, object, int, object)),
    "command": (Plugin._take_named, (str, str, object, int)),
    "hook": (Plugin._take_event, (str, str, object, dict, int)),
    "cli": (Plugin._take_cli, (str, list, dict, int)),
    "tick": (Plugin._take_tick, (str, str, int, int, int)),
    "ws.open": (Plugin._take_ws_open, (int, int, str, dict, str, list, str,
                                       object, int)),
    "ws.move": (Plugin._take_ws_move, (int,)),
    "ping": (Plugin._take_ping, ()), "health": (Plugin._take_health, ()),
    "probe": (Plugin._take_probe, (int, str, str)),
    "configure": (Plugin._take_configure, (dict,)),
    "export": (Plugin._take_export, ()),
    "service.start": (Plugin._take_start, (str, int)),
    "service.stop": (Plugin._take_stop, (str, int)),
    "channel.start": (Plugin._take_channel_start, (str, int, object, int)),
    "channel.stop": (Plugin._take_channel_stop, (str, int)),
    "channel.send": (Plugin._take_channel_send, (str, str, dict, dict, int)),
    "channel.find": (Plugin._take_channel_find, (str, str, dict, int)),
    "channel.act": (Plugin._take_channel_act, (str, str, dict, object, int)),
    "quiesce": (Plugin._take_quiesce, (int,)),
    "take": (Plugin._take_take, (int, int)),
    "import": (Plugin._take_import, (int, bytes))}
_NOTIFICATIONS = {
    "chunk": (Plugin._on_chunk, (int, bytes, bool)),
    "credit": (Plugin._on_credit, (int, int)),
    "ws.message": (Plugin._on_ws_message, (int, int, bytes, bool)),
    "ws.close": (Plugin._on_ws_close, (int, int, str)),
    "trace": (Plugin._on_trace, (int, str)),
    "cancel": (Plugin._on_cancel, (int,)), "drain": (Plugin._on_drain, ()),
    "resume": (Plugin._on_resume, ()),
    "limits": (Plugin._on_limits, (dict,))}


def _fit(types, parameters):
    return len(parameters) >= len(types) and \
        all(map(isinstance, parameters, types))


def _fitting(table, name, parameters):
    """The function for the message, if it is in the table and well-formed."""
    row = table.get(name) if type(name) is str else None
    if row and type(parameters) is list and _fit(row[1], parameters):
        return row[0]
    return None


def _error_of(error):
    """[code, text] as an Error; accepts anything."""
    if type(error) is not list or not error:
        return Error("failed", str(error))
    return Error(*map(str, error[:2]))


def _whole_ms(seconds):
    """Milliseconds for the wire; 0 and Infinity mean the gateway's limit."""
    if seconds != seconds:
        raise ValueError("a timeout must be a number")
    if not seconds or seconds == float("inf"):
        return 0
    return int(min(max(1, seconds * 1000), 2**53))


def _exit_status(value):
    value = 0 if value is None else value
    if type(value) is not int or not 0 <= value <= 125:
        raise ValueError("an exit status is a number from 0 to 125, not %r"
                         % (value,))
    return value


def _need_none(what, value):
    if value is not None:
        raise TypeError("%s must return None, not %s" % (
            what, ascii(value)[:80]))


def _check_name(name):
    if not isinstance(name, str):  # supd would end the worker
        raise TypeError("a name must be a str, not %r" % (name,))


_LEVELS = {"warning": "warn", "critical": "error", "fatal": "error"}


def _level_of(level):
    """supd's level for one of supd, one of logging, or anything else."""
    if isinstance(level, str):
        level = _LEVELS.get(level.lower(), level.lower())
        return level if level in ("error", "warn", "debug") else "info"
    if not isinstance(level, int):
        return "info"
    return ("error" if level >= 40 else "warn" if level >= 30 else
            "info" if level >= 20 else "debug")


def _text_of(problem):
    """Type and text, whatever its __str__ does."""
    name = type(problem).__name__
    try:
        return "%s: %s" % (name, problem)
    except BaseException:
        return name


def _verdict_of(req, value):
    """What supd is told; an observer has no say."""
    if value is None or not req._offer.fields.get("filter"):
        return None
    if not isinstance(value, Verdict):
        raise TypeError("a filter returns None, change(), stop() or claim()")
    return value.fields


def _is_awaitable(value):
    """Whether `await` accepts it, by its type, so that no code of it runs."""
    try:
        return hasattr(type(value), "__await__")
    except BaseException:
        return False


def _no_end(problem):
    """These two would end asyncio, and with it the worker."""
    return RuntimeError("%s in a handler" % (
        "sys.exit()" if isinstance(problem, SystemExit)
        else "KeyboardInterrupt"))


async def _without_end(awaitable):
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as problem:
        raise _no_end(problem) from problem


def _traceback_of(problem):
    """As a string, without the frames of this file at its top."""
    from traceback import format_exception
    frame = problem.__traceback__
    while frame and frame.tb_frame.f_code.co_filename == __file__:
        frame = frame.tb_next
    return "".join(format_exception(
        type(problem), problem, frame)).rstrip()


class _Waiter:
    """A result that a thread of the pool waits for."""

    def __init__(self):
        from _thread import allocate_lock
        self._lock = allocate_lock()
        self._lock.acquire()

    def end(self, value, problem):
        self._value, self._problem = value, problem
        self._lock.release()

    def wait(self):
        self._lock.acquire()
        if self._problem:
            raise self._problem
        return self._value


def _thread_id():
    from _thread import get_ident
    return get_ident()


def _sha256(data):
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256
    return sha256(data).hexdigest()


def _log_handler():
    """The class LogHandler: made late, because importing logging is slow."""
    if "LogHandler" in globals():
        return globals()["LogHandler"]
    import logging

    class LogHandler(logging.Handler):
        """Sends a plugin's log records to supd with their levels."""

        def __init__(self, plugin, level=logging.NOTSET):
            super().__init__(level)
            self.plugin = plugin

        def emit(self, record):
            try:
                self.plugin.log(record.levelno, self.format(record))
            except Exception:
                self.handleError(record)

    LogHandler.__module__ = __name__
    LogHandler.__qualname__ = "LogHandler"
    globals()["LogHandler"] = LogHandler
    return LogHandler


def __getattr__(name):
    if name == "LogHandler":
        return _log_handler()
    raise AttributeError("module 'supd' has no attribute %r" % name)

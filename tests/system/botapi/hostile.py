"""hostile: answers that no honest server gives."""
import threading

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _write(out, data):
    out.write(data)
    out.flush()


def endless(out):
    """A body without an end."""
    _write(out, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        _write(out, b"10000\r\n" + b"[" + b" " * 65535 + b"\r\n")


def heads(out):
    """A head without an end."""
    _write(out, HEAD)
    while True:
        _write(out, b"X-More: " + b"x" * 1000 + b"\r\n")


def drip(out):
    """A byte now and then."""
    _write(out, HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        _write(out, b" ")
        threading.Event().wait(0.05)  # the pause between two bytes


def _answer(out, body):
    _write(out, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def deep(out):
    _answer(out, b'{"ok":true,"result":' + b"[" * 200000)


def many(out):
    """Few bytes, and many values."""
    _answer(out, b'{"ok":true,"result":[' + b"{}," * 2000000 + b"{}]}")


def garbage(out):
    _answer(out, bytes(range(256)) * 100)


def shapes(out):
    """JSON of another shape."""
    _answer(out, b'{"ok":true,"result":{"update_id":[]}}')


def updates(out):
    """Updates that make no sense, and no number that would."""
    _answer(out, b'{"ok":true,"result":[{"update_id":-1},{"message":7}]}')


def repeat(out):
    """The same update, for ever."""
    _answer(out, b'{"ok":true,"result":[{"update_id":5,"message":{"message_id"'
            b':1,"date":1,"chat":{"id":1,"type":"private"},"from":{"id":1},'
            b'"text":"again"}}]}')


def redirect(out):
    _write(out, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
           b"Content-Length: 0\r\n\r\n")


def cut(out):
    """An answer that ends too soon."""
    _write(out, HEAD + b"Content-Length: 500\r\nConnection: close\r\n\r\n{")


WAYS = {each.__name__: each for each in (
    endless, heads, drip, deep, many, garbage, shapes, updates, repeat,
    redirect, cut)}

"""exchange: one HTTP request and its answer, on a thread, over the http.client
and ssl of Python. TLS is verified, redirects are not followed, the answer is
bounded; abort() from any other thread ends it at once, at whatever it is. Time
is not limited here: whoever waits aborts."""
import http.client
import json
import select
import socket
import ssl
import threading
import time

ANSWER_MAX = 8 * 1024 * 1024  # bytes; Telegram's own have at most 4 MiB
VALUES_MAX = 500000           # what may be counted as values in these
PIECE = 64 * 1024
IDLE_MAX = 20                 # seconds that a connection is kept unused
CONNECTIONS_MAX = 8           # kept unused


class NoAnswer(Exception):
    """There is no answer that can be used. was_written: the server may have
    taken the request all the same."""

    def __init__(self, text, was_written):
        super().__init__(text)
        self.was_written = was_written


class Unusable(ValueError):
    """An answer that is not one of the Bot API."""


def parse(data):
    """JSON of bounded size and depth. Unusable."""
    if len(data) > ANSWER_MAX:
        raise Unusable("an answer of more than %d MiB" % (ANSWER_MAX >> 20))
    if sum(map(data.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise Unusable("an answer with too many values")
    try:
        return json.loads(data)
    except RecursionError:
        raise Unusable("an answer nested too deeply") from None
    except ValueError:
        raise Unusable("an answer that is not JSON") from None


class _Tls(http.client.HTTPSConnection):
    """The one of http.client, whose socket is known before the handshake, so
    that it can be shut down meanwhile."""

    def __init__(self, host, port, timeout, context):
        super().__init__(host, port, timeout=timeout, context=context)
        self.context = context

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self.context.wrap_socket(
            self.sock, server_hostname=self.host,
            do_handshake_on_connect=False)
        self.sock.do_handshake()


class Server:
    """Where requests go, and connections that are open and unused."""

    def __init__(self, settings):
        self.host, self.port = settings.host, settings.port
        self.connect_timeout = settings.connect_timeout
        self.tls = None
        if settings.scheme == "https":
            self.tls = ssl.create_default_context(cafile=settings.ca)
        self._idle = []  # (since, connection), the oldest first
        self._lock = threading.Lock()
        self._is_closed = False

    def connection(self):
        """One that is open and of which the server has said nothing, or a new
        one, which is not connected yet."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_MAX and \
                    not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()
        if self.tls:
            return _Tls(self.host, self.port, self.connect_timeout,
                        self.tls)
        return http.client.HTTPConnection(
            self.host, self.port, timeout=self.connect_timeout)

    def keep(self, connection):
        with self._lock:
            if not self._is_closed and len(self._idle) < CONNECTIONS_MAX:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def close(self):
        with self._lock:
            self._is_closed, idle, self._idle = True, self._idle, []
        for _, connection in idle:
            connection.close()


class Exchange:
    def __init__(self, server, path, body):
        self.server, self.path, self.body = server, path, body
        self.was_written = False
        self._connection = self._sock = None  # one connects, one is in use
        self._is_aborted = False
        self._lock = threading.Lock()

    def abort(self):
        with self._lock:
            self._is_aborted = True
            sock = self._sock or (self._connection and self._connection.sock)
            if sock:
                try:  # past TLS, which would wait for the other side
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    pass

    def run(self):
        """(status, body). NoAnswer, Unusable."""
        connection = self.server.connection()
        try:
            answer = self._run(connection)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            connection.close()
            if isinstance(problem, Unusable):
                raise
            raise NoAnswer("%s: %s" % (type(problem).__name__, problem),
                           self.was_written) from None
        except BaseException:
            connection.close()
            raise
        return answer

    def _begin(self, connection):
        """Connected, and not aborted so far."""
        self._connection = connection
        self._check()
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(None)
        with self._lock:
            self._check()
            # http.client forgets it before the end of the last answer.
            self._sock = connection.sock
            self.was_written = True

    def _check(self):
        if self._is_aborted:
            raise OSError("aborted")

    def _run(self, connection):
        self._begin(connection)
        connection.request("POST", self.path, self.body, {
            "Content-Type": "application/json", "Accept": "application/json"})
        with connection.getresponse() as response:
            body = self._read(response)
        with self._lock:
            self._connection = self._sock = None
        if response.will_close:
            connection.close()
        else:
            self.server.keep(connection)
        return response.status, body

    def _read(self, response):
        pieces, total = [], 0
        while True:
            piece = response.read(PIECE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            total += len(piece)
            if total > ANSWER_MAX:
                raise Unusable("an answer of more than %d MiB"
                               % (ANSWER_MAX >> 20))

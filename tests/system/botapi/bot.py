"""bot: what Telegram's server keeps of one bot, with the rules of the real one:
a getUpdates acknowledges all before its offset, what is not acknowledged is
given again, a second poll ends the first with 409, and neither works beside a
webhook."""
import collections
import os
import select
import socket
import threading
import time

ALREADY = "Conflict: can't use getUpdates method while webhook is active; " \
    "use deleteWebhook to delete the webhook first"
OTHER = "Conflict: terminated by other getUpdates request; make sure that " \
    "only one bot instance is running"
REPLACED = "Conflict: terminated by setWebhook request"
TYPES = ("message", "edited_message", "channel_post", "edited_channel_post")
CONFLICT_PAUSE = 3  # seconds between two conflicts that are told


class Refused(Exception):
    def __init__(self, code, description, **parameters):
        super().__init__(description)
        self.code, self.description = code, description
        self.parameters = parameters


class Gone(Exception):
    """Whoever asked has left."""


class Poll:
    """One getUpdates that waits."""

    def __init__(self, connection):
        self.connection = connection
        self.ends = os.pipe()
        self.reason = None

    def wake(self):
        os.write(self.ends[1], b"\0")

    def wait(self, until):
        """Until it is woken or it is time. Gone."""
        left = max(0, until - time.monotonic())
        ready = select.select([self.connection, self.ends[0]], [], [], left)[0]
        if self.ends[0] in ready:
            os.read(self.ends[0], 1)
        # Past TLS, which has no peek.
        elif ready and not socket.socket.recv(
                self.connection, 1, socket.MSG_PEEK):
            raise Gone()

    def close(self):
        for end in self.ends:
            os.close(end)


class Bot:
    def __init__(self, number, knobs):
        self.number, self.knobs = number, knobs
        self.username = "bot%d_bot" % number
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # queue or webhook
        self.queue = collections.deque()
        self.next_update = 700000000
        self.next_message = 1
        self.messages = {}  # (chat, message_id) -> text
        self.webhook, self.webhook_at = None, 0
        self.allowed = TYPES
        self.counts = collections.Counter()
        self.poll, self.held_until, self.conflict_at = None, 0, 0
        self.last = (None, 0)  # offset and begin of the last poll

    # ---- what people do ----

    def new_message(self, chat, text):
        with self.lock:
            number = self.next_message
            self.next_message += 1
            self.messages[chat, number] = text
            return number

    def add(self, kind, content):
        """An update for the bot."""
        with self.lock:
            if kind in self.allowed:
                self.queue.append({"update_id": self.next_update,
                                   kind: content})
                self.next_update += 1
                self.changed.notify_all()
                if self.poll:
                    self.poll.wake()

    # ---- polling ----

    def _forget(self, offset):
        while self.queue and self.queue[0]["update_id"] < offset:
            self.queue.popleft()
            self.counts["acknowledged"] += 1

    def _conflict(self, poll, text):
        """Tells it, the second time within 3 s late, as the real one does."""
        now = time.monotonic()
        with self.lock:
            self.counts["conflicts"] += 1
            is_late = now < self.conflict_at
            if not is_late:
                self.conflict_at = now + CONFLICT_PAUSE
        if is_late:
            poll.reason = None
            poll.wait(now + CONFLICT_PAUSE)
        raise Refused(409, text)

    def _begin(self, poll, offset, timeout):
        """Those there are; None: it has to wait."""
        self.counts["polls"] += 1
        if self.poll or time.monotonic() < self.held_until:
            self.counts["second_polls"] += 1
            if self.knobs["second_poll"] == "refuse":
                self.counts["conflicts"] += 1
                raise Refused(409, OTHER)
        self._forget(offset)
        if self.queue or not timeout:
            return list(self.queue)
        if self.poll:
            self.poll.reason = OTHER
            self.poll.wake()
        self.poll = poll
        return None

    def _end(self, poll, is_gone):
        with self.lock:
            if self.poll is poll:
                self.poll = None
                if is_gone:
                    self.held_until = time.monotonic() + self.knobs["linger"]

    def _wait(self, poll, timeout):
        until, is_gone = time.monotonic() + timeout, True
        try:
            while True:
                poll.wait(until)
                if poll.reason:
                    self._conflict(poll, poll.reason)
                with self.lock:
                    if self.queue or time.monotonic() >= until:
                        is_gone = False
                        return list(self.queue)
        except Refused:
            is_gone = False
            raise
        finally:
            self._end(poll, is_gone)

    def get_updates(self, fields, connection):
        if self.webhook:
            raise Refused(409, ALREADY)
        offset, timeout = fields.get("offset", 0), fields.get("timeout", 0)
        limit = min(max(fields.get("limit", 100), 1), 100)
        now, poll = time.monotonic(), Poll(connection)
        with self.lock:
            if fields.get("allowed_updates"):
                self.allowed = tuple(fields["allowed_updates"])
            if offset == self.last[0] and now < self.last[1] + 3:
                timeout = max(timeout, 3)
            if offset == self.last[0] and now < self.last[1] + 0.5:
                limit = 1
            self.last = offset, now
        try:
            with self.lock:
                found = self._begin(poll, offset, timeout)
            if found is None:
                found = self._wait(poll, timeout)
            return found[:limit]
        finally:
            poll.close()

    # ---- webhook ----

    def set_webhook(self, fields):
        now = time.monotonic()
        with self.lock:
            url = fields.get("url") or None
            if url and now < self.webhook_at:
                raise Refused(429, "Too Many Requests: retry after 1",
                              retry_after=1)
            self.webhook_at = now + 1 if url else 0
            self.webhook = url and dict(fields)
            if url and fields.get("allowed_updates"):
                self.allowed = tuple(fields["allowed_updates"])
            if url and self.poll:
                self.poll.reason = REPLACED
                self.poll.wake()
            self.changed.notify_all()
        return True

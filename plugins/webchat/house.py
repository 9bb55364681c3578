"""house: the rooms, who is in them, and the history. What pages say is kept in
the history first, and then given to the channel in order; the channel's cursor
is the last seq up to which supd has everything. What it does not have yet when
a worker ends is given to it again by the next one."""
import sqlite3
import time

import supd
from caller import address_of
from history import BOT, USER, open_history
from words import text_of

# Messages that supd has not taken. In each room there may be as many to give
# again after a crash, and the SDK keeps 10,000.
WAITING_ROOM, WAITING = 128, 4000
COMPLAIN_S = 60                    # between two complaints about the file


class Room:
    def __init__(self, name):
        self.name = name
        self.visitors = set()
        self.waiting = []   # seqs of messages that supd has not taken
        self.taken = 0      # what pages said up to here is with supd
        self.people = 0     # how many are said to be in it

    def ring(self):
        for visitor in self.visitors:
            visitor.ring()


def position_of(cursor, history_id):
    """The seq of a cursor, 0 if it is another history's."""
    whose, _, seq = (cursor or b"").decode("ascii", "replace").partition(":")
    return int(seq) if whose == history_id and seq.isdigit() else 0


class House:
    def __init__(self, plugin, settings):
        self.plugin, self.settings = plugin, settings
        self.history = self.channel = None  # while the channel runs
        self.visitors = set()
        self._rooms = {name: Room(name) for name in settings.rooms}
        self._waiting = 0       # messages of all rooms
        self._complained = -COMPLAIN_S

    def room(self, name):
        return self._rooms.get(name)

    def change(self, settings):
        """Other settings, while it is open."""
        before = self._rooms
        self.settings = settings
        self._rooms = {name: before.get(name) or Room(name)
                       for name in settings.rooms}
        if self.history:
            self.history.keep = settings.history
        for visitor in set(self.visitors):
            visitor.check()

    # ---- the channel ----

    def open(self, path, channel):
        """Raises sqlite3.Error."""
        history = open_history(path, self.settings.history,
                               lambda text: self.plugin.log("error", text))
        position = min(history.last, position_of(channel.cursor, history.id))
        self.history, self.channel, self._waiting = history, channel, 0
        for room in self._rooms.values():
            room.taken = max(position, history.taken.get(room.name, 0))
            room.waiting.clear()
        for message in history.not_taken(position):
            self._give(message)
        for visitor in self.visitors:
            visitor.welcome()

    def close_history(self):
        history, self.history = self.history, None
        if history:
            try:
                history.close()
            except sqlite3.Error as problem:
                self.complain(problem)

    def _give(self, message):
        """To supd, or, once the channel is to stop, to the next start."""
        room = self._rooms.get(message["room"]) or Room(message["room"])
        self._waiting += 1
        room.waiting.append(message["seq"])
        try:
            ended = self.channel.receive({
                "id": message["id"], "lane": room.name, "at": message["at"],
                "cursor": "%s:%d" % (self.history.id, message["seq"]),
                "text": message["text"],
                "reply_to": message["reply_to"] or None,
                "from": {"id": message["sender"], "name": message["name"],
                         "verified": message["kind"] == USER},
                "chat": {"id": room.name, "type": "group"}})
        except supd.Stopped:
            return
        self.plugin.spawn(self._given(self.history, room, message, ended))

    async def _given(self, history, room, message, ended):
        try:
            await ended
        except supd.Stopped:
            return  # the next start gives it again
        except supd.Error as problem:
            self.plugin.log("error", "message %s is not taken: %s" % (
                message["id"], problem))
        if history is not self.history:
            return
        self._waiting -= 1
        room.waiting.remove(message["seq"])
        room.taken = history.taken[room.name] = message["seq"]
        room.ring()

    # ---- messages ----

    def say(self, visitor, number, text, reply_to):
        """Whether the message is in the history."""
        room, person = visitor.room, visitor.person
        if len(room.waiting) >= WAITING_ROOM or self._waiting >= WAITING:
            return False
        message = self._write(
            lambda: self.history.add(room.name, {
                "id": "%s.%d" % (person["session"], number), "text": text,
                "sender": person["sender"], "name": person["name"],
                "kind": person["kind"], "reply_to": reply_to},
                person["session"], number) or "known")
        if message == "known":
            return self.skip(visitor, number)
        if not message:
            return False
        self._trim(room)
        self._give(message)
        room.ring()
        return True

    def skip(self, visitor, number):
        """The number was answered, and stands for no message."""
        done = self._write(lambda: self.history.skip(
            visitor.person["session"], number) or True)
        self._trim(visitor.room)
        return done

    def send(self, target, content, send_id):
        """The id of what a plugin, or supd, sends."""
        room = self.room(target["chat"])
        if not room:
            raise supd.NotSent("there is no room %s" % target["chat"][:64])
        text = content.get("text", "")
        if not text:
            raise supd.NotSent("only text can be sent")
        message = self._write(lambda: self.history.add(room.name, {
            "id": "s" + send_id, "text": text_of(text), "sender": BOT,
            "name": self.settings.bot, "kind": BOT,
            "reply_to": target.get("reply_to", "")[:512]},
            send_id=send_id) or self.history.sent(send_id))
        if not message:
            raise supd.Retry(1, "the disk does not take it")
        self._trim(room)
        room.ring()
        return {"ids": [message["id"]], "at": message["at"]}

    def find(self, send_id, target, since):
        message = self.history.sent(send_id)
        if message:
            return {"ids": [message["id"]], "at": message["at"]}
        if not self.history.reaches(target["chat"], int(since * 1000)):
            raise supd.Error("failed", "so old messages are not kept")
        raise supd.NotSent("it is not in the room")

    def _trim(self, room):
        if not self.history.is_over(room.name):
            return
        # Those who wait for their client may miss some, others not.
        edge = min([self.history.last] + [seq - 1 for seq in room.waiting[:1]] +
                   [each.position for each in room.visitors
                    if not each.is_blocked])
        self._write(lambda: self.history.trim(room.name, edge) or True)

    def _write(self, change):
        """What it returns, or None where the disk does not take it."""
        try:
            return change()
        except sqlite3.Error as problem:
            self.complain(problem)
            return None

    def complain(self, problem):
        if time.monotonic() - self._complained >= COMPLAIN_S:
            self._complained = time.monotonic()
            self.plugin.log("error", "rooms.db fails: %s" % problem)

    # ---- connections ----

    def has_place(self, ws):
        """Whether one more may come from there."""
        address = address_of(ws.peer)
        limit = self.settings.per_address
        return len(self.visitors) < self.settings.connections and sum(
            visitor.address == address for visitor in self.visitors) < limit

    def close(self, visitor, code, reason):
        self.plugin.spawn(visitor.ws.close(code, reason))

    def look_round(self):
        """Once a second: who is late, and how many there are."""
        now = time.monotonic()
        for visitor in list(self.visitors):
            late = visitor.is_late(now)
            if late:
                self.close(visitor, *late)
        for room in self._rooms.values():
            if room.people != len(room.visitors):
                room.people = len(room.visitors)
                room.ring()

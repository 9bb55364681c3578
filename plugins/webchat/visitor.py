"""visitor: one connection of a page. It has no queue: what goes out is made,
when the last frame is gone, from the history behind `position` and from what
has changed. So a page that does not read costs nothing, until it is closed.

Frames are JSON. The page says
  hello  {key, tab, room, name, token?, log?, after, next}
  say    {n, text, reply_to?}: n counts from 1 in this tab; only the next
         one is taken, so that what is lost on the way comes again, in order
and gets
  again    say hello (once more)
  no       {why}: the hello was wrong
  welcome  {log, fresh, missed, last, …}: last is the last n that is known, and
           the page says those behind it again
  news     {messages, ack, taken, people, later?, refused?}
"""
import asyncio
import hashlib
import json
import re
import time

from caller import address_of
from history import GUEST, USER
from pace import Pace
from settings import GUEST as GUEST_ID, digest_of
from words import name_of, text_of

FRAME_MAX = 64 * 1024        # bytes, both ways
NEWS_BYTES = 40 * 1024       # of messages in one frame, with all escapes
NEWS_MAX = 50                # messages of one frame
HELLO_S, SLOW_S = 10, 30     # for the hello; for one frame to be gone
FRAMES, FRAMES_PER_S = 200, 50  # and twice the rate of messages
HELLO_COST = 25              # as many frames as others, for all it may send
LATER_FULL_MS = 2000         # when the room or the disk takes nothing more
NUMBER_MAX = 2 ** 53 - 1
KEY, TAB = re.compile(r"[0-9a-f]{32}\Z"), re.compile(r"[0-9a-f]{16}\Z")
ID = re.compile(r"[0-9A-Za-z.]{0,200}\Z")  # of a message
CLOSE_FORM, CLOSE_WRONG, CLOSE_FAULT, CLOSE_BUSY = 1003, 1008, 1011, 1013


class Wrong(Exception):
    """The page says what no page says: it is closed."""


def field(said, name, kind, fallback=None):
    value = said.get(name, fallback)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise Wrong("%s is missing or wrong" % name)
    if kind is int and not 0 <= value <= NUMBER_MAX:
        raise Wrong("%s is out of range" % name)
    return value



def shown(message):
    """A message as pages get it."""
    return {"seq": message["seq"], "id": message["id"], "at": message["at"],
            "from": {"id": message["sender"], "name": message["name"],
                     "kind": message["kind"]},
            "text": message["text"], "reply_to": message["reply_to"]}


def packed(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Visitor:
    def __init__(self, ws, house):
        self.ws, self.house = ws, house
        self.address = address_of(ws.peer)
        self.room = None        # a Room, once the hello is right
        self.person = {}        # what the hello said, for the next worker
        self.position = 0       # the last seq that was sent
        self.base = 0           # numbers up to here need not be asked for
        self._waits_since = time.monotonic()  # for the hello; None: it came
        self._sends_since = None  # the frame that is not gone yet
        self._bell = asyncio.Event()
        self._owed = {}         # again, no, welcome, and fields of news
        self._told = {}         # fields of news as they were sent last
        self._set_pace()

    def _set_pace(self):
        settings = self.house.settings
        self.pace = Pace(settings.burst, settings.per_second)
        self._frames = Pace(FRAMES + 2 * settings.burst,
                            FRAMES_PER_S + 2 * settings.per_second)

    # ---- coming and going ----

    def arrive(self, moved):
        """A new connection, or one of an earlier worker."""
        try:
            said = json.loads((moved or {}).get("blob") or b"null")
        except ValueError:
            said = None
        if moved and not (isinstance(said, dict) and self._enter(said)):
            self._ask_again()  # else a new page says hello unasked

    def blob(self):
        """For the next worker; None: the page is to say what it has."""
        if not self.room or self.is_blocked or "welcome" in self._owed:
            return None
        history = self.house.history
        return json.dumps(dict(
            self.person, after=self.position,
            log=history.id if history else self.person["log"],
            next=self.base + 1)).encode()

    def leave(self):
        if self.room:
            self.room.visitors.discard(self)
        self.room = None

    def _ask_again(self):
        self.leave()
        self._waits_since = time.monotonic()
        self._owe("again", "")

    def check(self):
        """After other settings: it may be somebody else now."""
        self._set_pace()
        if self.room:
            self._ask_again()

    # ---- what the page says ----

    def take(self, frame):
        """Raises Wrong."""
        if not self._frames.take():
            raise Wrong("too many frames")
        try:
            said = json.loads(frame)
        except (ValueError, RecursionError):
            raise Wrong("a frame is not JSON") from None
        if not isinstance(said, dict):
            raise Wrong("a frame is not an object")
        if said.get("t") == "say":
            self._say(said)
        elif said.get("t") == "hello":
            if not self._frames.take(HELLO_COST):
                raise Wrong("too many frames")
            self._hello(said)
        else:
            raise Wrong("a frame of unknown kind")

    def _hello(self, said):
        key, tab = field(said, "key", str), field(said, "tab", str)
        if not KEY.match(key) or not TAB.match(tab):
            raise Wrong("key or tab is wrong")
        token = field(said, "token", str, "")
        public = hashlib.sha256(key.encode()).hexdigest()[:12]
        self.leave()
        if not self._enter({
                "public": public, "session": public + "." + tab,
                "room": field(said, "room", str),
                "name": field(said, "name", str)[:256],
                "digest": digest_of(token[:1024]) if token else "",
                "log": field(said, "log", str, "")[:64],
                "after": field(said, "after", int, 0),
                "next": max(1, field(said, "next", int, 1))}):
            self._ask_again()

    def _enter(self, person):
        """Enters the room; False if somebody has to say hello again."""
        settings = self.house.settings
        try:
            who = self._who(person)
            room = self.house.room(person["room"] or settings.rooms[0])
        except (KeyError, TypeError, AttributeError):
            return False
        if not room:
            who = "there is no room %s" % name_of(person["room"])
        if isinstance(who, str):
            self._waits_since = time.monotonic()
            self._owe("no", who)
            return True
        self.person = dict(person, room=room.name, **who)
        self.base = person["next"] - 1
        self.position = person["after"]
        self.room, self._waits_since = room, None
        room.visitors.add(self)
        room.people = room.people or 1
        self.welcome()
        return True

    def _who(self, person):
        """{name, kind, sender}, or why not."""
        settings = self.house.settings
        if person["digest"]:
            name = settings.user(person["digest"])
            return {"name": name, "kind": USER, "sender": name} if name \
                else "the token is not known"
        name = name_of(person["name"])
        if not name:
            return "a name has 1 to 32 characters"
        if settings.is_reserved(name):
            return "this name needs its token"
        return {"name": name, "kind": GUEST,
                "sender": GUEST_ID + person["public"]}

    def welcome(self):
        """It is in the room, and the history is open, or is again."""
        history = self.house.history
        if not self.room or not history:
            return
        fresh = self.person["log"] != history.id \
            or self.position > history.last
        if fresh:
            self.position = 0
        self.person["log"] = history.id
        cut = history.cut.get(self.room.name, 0)
        missed = self.position < cut
        self.position = max(self.position, cut)
        self._told = {}
        for name in ("again", "no"):
            self._owed.pop(name, None)
        self._owe("welcome", {"fresh": fresh, "missed": missed})

    # ---- messages ----

    def _say(self, said):
        number, text = field(said, "n", int), field(said, "text", str)
        reply_to = field(said, "reply_to", str, "")
        history = self.house.history
        if not ID.match(reply_to):
            raise Wrong("reply_to is wrong")
        if not self.room or not history:
            return  # it comes again after the welcome
        last = max(history.number(self.person["session"]), self.base)
        if number <= last:
            self.ring()
            return
        if number > last + 1:
            return
        if not self.pace.take():
            self._owe("later", self.pace.wait_ms(self.pace.burst // 2 + 1))
            return
        text = text_of(text).strip()
        if not text or len(text) > self.house.settings.text_limit:
            self._refuse(number)
        elif not self.house.say(self, number, text, reply_to):
            self._owe("later", LATER_FULL_MS)
        else:
            self.ring()

    def _refuse(self, number):
        if self.house.skip(self, number):
            self._owe("refused", self._owed.get("refused", []) + [number])
        else:
            self._owe("later", LATER_FULL_MS)

    # ---- what the page gets ----

    def ring(self):
        self._bell.set()

    def _owe(self, name, value):
        self._owed[name] = value
        self._bell.set()

    async def write(self):
        """Sends until the end."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while frame := self._next():
                self._sends_since = time.monotonic()
                await self.ws.send(packed(frame))
                self._sends_since = None
                # Not before: what waits here when it is moved, is not sent.
                self.position = max([self.position] + [
                    each["seq"] for each in frame.get("messages", ())])

    @property
    def is_blocked(self):
        return self._sends_since is not None

    def is_late(self, now):
        """Why it is to be closed, or None."""
        if self._sends_since and now - self._sends_since > SLOW_S:
            return CLOSE_BUSY, "it does not read"
        if self._waits_since and now - self._waits_since > HELLO_S:
            return CLOSE_WRONG, "it says no hello"
        return None

    def _next(self):
        """A frame, or None: the page has everything."""
        history = self.house.history
        for name in ("again", "no"):
            if name in self._owed:
                return {"t": name, "why": self._owed.pop(name)}
        if not self.room or not history:
            return None
        if "welcome" in self._owed:
            return self._welcome(history, self._owed.pop("welcome"))
        return self._news(history)

    def _welcome(self, history, said):
        settings = self.house.settings
        return dict(
            said, t="welcome", log=history.id, title=settings.title,
            rooms=settings.rooms, room=self.room.name, kind=self.person["kind"],
            name=self.person["name"], id=self.person["sender"],
            session=self.person["session"], text_limit=settings.text_limit,
            last=self._last(history))

    def _last(self, history):
        return max(history.number(self.person["session"]), self.base)

    def _news(self, history):
        if self.position < history.cut.get(self.room.name, 0):
            self.house.close(self, CLOSE_BUSY, "it reads too slowly")
            return None
        messages, size = [], 0
        for each in history.after(self.room.name, self.position, NEWS_MAX):
            messages.append(shown(each))
            size += len(packed(messages[-1]).encode())
            if size > NEWS_BYTES and len(messages) > 1:
                messages.pop()
                break
        state = {"ack": self._last(history), "taken": self.room.taken,
                 "people": self.room.people}
        for name in ("later", "refused"):
            if name in self._owed:
                state[name] = self._owed.pop(name)
        if not messages and state == self._told:
            return None
        self._told = {name: state[name] for name in ("ack", "taken", "people")}
        return dict(state, t="news", messages=messages)

"""strangers: two people who count with the bot, one on IRC and one on Telegram,
and what the far side of each channel saw: when each message was said, and each
answer in the order in which it came."""
import re
import socket
import threading
import time

from scene import DEADLINE, Trouble, fetch

BOT_USER = "~supd@127.0.0.1"
CHAT = 42  # of the double


class Gate:
    """How far the strangers may go: up to the message of the next step."""

    def __init__(self):
        self.changed = threading.Condition()
        self.last = 0

    def open(self, last):
        with self.changed:
            self.last = last
            self.changed.notify_all()

    def wait(self, number):
        with self.changed:
            if not self.changed.wait_for(lambda: self.last >= number,
                                         10 * DEADLINE):
                raise Trouble("a step does not end")


class Stranger(threading.Thread):
    """Says COUNT messages, RATE of them a second. One message asks the bot to
    count, and the answer has the sum and the number of the message."""

    def __init__(self, name, count, rate, gate):
        super().__init__(daemon=True)
        self.channel, self.count, self.rate, self.gate = name, count, rate, gate
        self.news = threading.Condition(threading.RLock())
        self.quiet = threading.Lock()  # held: nothing is said
        self.said = {}     # number -> when, for the first time
        self.answers = []  # (sum, number, when), in order
        self.again = []    # numbers that were said again
        self.trouble = None
        self.pattern = re.compile(r"proof-%s: (\d+) n(\d+)\Z" % name)

    def text(self, mark, number):
        return "%scount proof-%s n%d" % (mark, self.channel, number)

    def heard(self, text):
        match = self.pattern.match(text)
        if match:
            with self.news:
                self.answers.append((int(match[1]), int(match[2]),
                                     time.monotonic()))
                self.news.notify_all()

    def await_news(self, what, is_true):
        with self.news:
            if not self.news.wait_for(lambda: self.trouble or is_true(),
                                      DEADLINE):
                raise Trouble("%s: waited for %d s: %s" % (
                    self.channel, DEADLINE, what))
            if self.trouble:
                raise Trouble(self.trouble)

    def await_said(self, number):
        self.await_news("message %d" % number, lambda: number in self.said)

    def await_answers(self):
        """To all that was said so far."""
        def unanswered():
            return set(self.said) - {n for _, n, _ in self.answers}
        try:
            self.await_news("answers", lambda: not unanswered())
        except Trouble as problem:
            raise Trouble("%s: no answer to %s" % (
                problem, sorted(unanswered()))) from None

    def slowest(self, numbers):
        """Seconds from a message, said for the first time, to its answer."""
        return max([when - self.said[n] for _, n, when in self.answers
                    if n in numbers and n in self.said], default=0)

    def note_said(self, number):
        with self.news:
            self.said.setdefault(number, time.monotonic())
            self.news.notify_all()

    def run(self):
        try:
            due = time.monotonic()
            for number in range(1, self.count + 1):
                time.sleep(max(0, due - time.monotonic()))
                self.gate.wait(number)
                # Who had to wait does not hurry afterwards.
                due = max(due, time.monotonic()) + 1 / self.rate
                with self.quiet:
                    self.say(number)
        except (OSError, Trouble) as problem:
            with self.news:
                self.trouble = "%s: %s" % (self.channel, problem)
                self.news.notify_all()

    def say(self, number):
        raise NotImplementedError


class Irc:
    """A connection of somebody in a room, which a thread reads."""

    def __init__(self, scene, nick, room, on_line):
        self.nick, self.room, self.on_line = nick, room, on_line
        self.socket = socket.create_connection(
            ("127.0.0.1", scene.irc_port), DEADLINE)
        self.lines = self.socket.makefile("r", encoding="utf-8",
                                          errors="replace", newline="\n")
        self.send("PASS %s" % scene.password)
        self.send("NICK %s" % nick)
        self.send("USER %s 0 * :%s" % (nick, nick))
        self._read_until(" 001 ")
        self.send("JOIN %s" % room)
        self._read_until(" 366 ")
        self.socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, line):
        self.socket.sendall((line + "\r\n").encode())

    def _read_until(self, mark):
        for line in self.lines:
            self._take(line.rstrip("\r\n"))
            if mark in line:
                return
        raise Trouble("the server of IRC has closed the connection")

    def _read(self):
        try:
            for line in self.lines:
                self._take(line.rstrip("\r\n"))
        except (OSError, ValueError):
            pass  # it was closed

    def _take(self, line):
        if line.startswith("PING"):
            self.send("PONG" + line[4:])
            return
        source, _, rest = line[1:].partition(" ")
        head, _, text = rest.partition(" :")
        nick, _, user = source.partition("!")
        self.on_line(nick, user, head.split() or [""], text)


class IrcStranger(Stranger):
    """Each message goes to the room and to the stranger himself. The server
    sends his copy in its place among those who come and go: that tells whether
    the bot was in the room. If it was not, IRC has lost the message, and he
    says it again as soon as the bot is back."""

    def __init__(self, scene, count, rate, gate):
        super().__init__("irc", count, rate, gate)
        self.bots = {"helper"}
        self.copies = {}       # number -> was a bot in the room?
        self.left = None       # when the last of them went
        self.quits = 0
        self.away = []         # seconds without a bot in the room
        self.told = []         # what else the bot said in the room
        self.irc = Irc(scene, "stranger", "#room", self._take)

    def _take(self, nick, user, words, text):
        with self.news:
            if user == BOT_USER:
                self._take_bot(nick, words, text)
            elif nick == "stranger" and words[:2] == ["PRIVMSG", "stranger"]:
                self.copies[int(text.rsplit("n", 1)[1])] = bool(self.bots)
            self.news.notify_all()

    def _take_bot(self, nick, words, text):
        if words[0] == "JOIN":
            if not self.bots:
                self.away.append(time.monotonic() - self.left)
            self.bots.add(nick)
        elif words[0] in ("QUIT", "PART"):
            self.bots.discard(nick)
            self.quits += 1
            self.left = time.monotonic()
        elif words[0] == "NICK":
            self.bots.discard(nick)
            self.bots.add((words + [text])[1].lstrip(":"))
        elif words[:2] == ["PRIVMSG", "#room"]:
            self.told.append(text)
            self.heard(text)

    def say(self, number):
        while True:
            self.copies.pop(number, None)
            self.irc.send("PRIVMSG #room,stranger :" + self.text("!", number))
            self.await_news("a copy of message %d" % number,
                            lambda: number in self.copies)
            self.note_said(number)
            if self.copies[number]:
                return
            with self.news:
                self.again.append(number)
            self.await_news("the bot to come back", lambda: self.bots)


class TelegramStranger(Stranger):
    """Telegram keeps what is written until the bot has taken it, so nothing is
    written again."""

    def __init__(self, scene, count, rate, gate):
        super().__init__("telegram", count, rate, gate)
        self.api, self.seen, self.told = scene.api, 0, []
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        try:
            while True:
                sent = fetch(self.api + "/control/sent")
                for message in sent[self.seen:]:
                    self.told.append(message.get("text", ""))
                    self.heard(message.get("text", ""))
                self.seen = len(sent)
                time.sleep(0.01)
        except OSError:
            pass  # the double has ended

    def say(self, number):
        fetch(self.api + "/control/say", {"text": self.text("/", number),
                                          "chat": CHAT})
        self.note_said(number)

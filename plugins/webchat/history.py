"""history: what was said in the rooms, in an SQLite file that one worker has
open at a time. A number, `seq`, grows over all rooms and is the channel's
cursor. Messages of pages also have a session and a number in it, so that one
that comes again is known."""
import os
import sqlite3
import time

SESSIONS_MAX = 10000  # those that spoke last
SLACK = 32            # messages that a room may have more, before a cut
SESSIONS_SLACK = 1000
CHECKED_MAX = 64 * 1024 * 1024  # bytes of a file that is looked through
WAL_PAGES = 1000      # until what is written goes to the file itself
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, sender TEXT NOT NULL,
  name TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  reply_to TEXT, send_id TEXT UNIQUE);
CREATE INDEX IF NOT EXISTS by_room ON messages (room, seq);
CREATE TABLE IF NOT EXISTS sessions (
  session TEXT PRIMARY KEY, number INTEGER NOT NULL, touched INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_touch ON sessions (touched);
"""
FIELDS = "seq, room, id, at, sender, name, kind, text, reply_to"
GUEST, USER, BOT = "guest", "user", "bot"  # kinds of senders


class Damaged(Exception):
    """The file is not a database, or not one of this package."""


def message_of(row):
    return dict(zip(FIELDS.split(", "), row))


class History:
    """Raises sqlite3.Error where the disk does not take something; then
    nothing has changed."""

    def __init__(self, path, keep):
        self.keep = keep
        self._sessions = {}  # session -> number, of those asked for
        self._new_sessions = 0
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._open()
            if os.path.getsize(path) <= CHECKED_MAX:
                self._look_through()
        except BaseException as problem:
            self._db.close()
            if isinstance(problem, sqlite3.DatabaseError) and not isinstance(
                    problem, sqlite3.OperationalError):
                raise Damaged(str(problem)) from problem
            raise

    def _open(self):
        run = self._db.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA wal_autocheckpoint = %d" % WAL_PAGES)
        self._db.executescript(SCHEMA)
        run("INSERT OR IGNORE INTO about VALUES ('id', lower(hex("
            "randomblob(8))))")
        about = dict(run("SELECT name, value FROM about"))
        self.id = about["id"]
        self._counts = dict(run(
            "SELECT room, count(*) FROM messages GROUP BY room"))
        self._forget()
        self.last, = run("SELECT ifnull(max(seq), 0) FROM messages").fetchone()
        # room -> the last seq that was removed from it; and that the channel
        # has taken, as far as it is written
        self.cut, self.taken = ({
            name[len(begin):]: value for name, value in about.items()
            if name.startswith(begin)} for begin in ("cut:", "taken:"))

    def _look_through(self):
        found, = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise Damaged(found)

    def close(self):
        try:
            for room, seq in self.taken.items():
                self._set("taken:" + room, seq)
        finally:
            self._db.close()

    def _set(self, name, value):
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)",
                         (name, value))

    # ---- writing ----

    def _write(self, change):
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = change()
            self._db.execute("COMMIT")
            return result
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def add(self, room, message, session=None, number=0, send_id=None):
        """Keeps a message (id, sender, name, kind, text, reply_to) and returns
        it with seq and at; None: one with its id or send_id is there."""
        at = int(time.time() * 1000)
        before = self.number(session) if session else 0

        def change():
            row = self._db.execute(
                "INSERT OR IGNORE INTO messages (room, id, at, sender, name, "
                "kind, text, reply_to, send_id) VALUES (?,?,?,?,?,?,?,?,?)",
                (room, message["id"], at, message["sender"], message["name"],
                 message["kind"], message["text"], message.get("reply_to"),
                 send_id))
            if not row.rowcount:
                return None
            if session:
                self._touch(session, number, row.lastrowid)
            self._set("taken:" + room, self.taken.get(room, 0))
            return row.lastrowid
        seq = self._write(change)
        if seq is None:
            return None
        self.last = seq
        self._counts[room] = self._counts.get(room, 0) + 1
        if session:
            self._remember(session, before, number)
        return dict(message, seq=seq, at=at, room=room)

    def skip(self, session, number):
        """The number was answered, and stands for no message."""
        before = self.number(session)
        self._write(lambda: self._touch(session, number, self.last))
        self._remember(session, before, number)

    def _remember(self, session, before, number):
        self._new_sessions += before == 0
        self._sessions[session] = number

    def _touch(self, session, number, seq):
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)",
                         (session, number, seq))

    def is_over(self, room):
        """Whether it is time to trim the room."""
        return self._counts.get(room, 0) > self.keep + SLACK \
            or self._new_sessions > SESSIONS_SLACK

    def trim(self, room, most):
        """Removes what is beyond `keep`, but nothing behind `most`, and those
        sessions that have been silent for longest."""
        self._write(lambda: self._trim(room, most))
        if self._new_sessions > SESSIONS_SLACK:
            self._write(self._forget)
            self._new_sessions = 0
            self._sessions.clear()  # they are asked for again

    def _trim(self, room, most):
        edge = self._db.execute(
            "SELECT seq FROM messages WHERE room = ? ORDER BY seq DESC "
            "LIMIT 1 OFFSET ?", (room, self.keep)).fetchone()
        edge = min(edge[0], most) if edge else 0
        gone = self._db.execute("DELETE FROM messages WHERE room = ? AND "
                                "seq <= ?", (room, edge)).rowcount
        if gone:
            self._counts[room] -= gone
            self.cut[room] = edge
            self._set("cut:" + room, edge)

    def _forget(self):
        self._db.execute(
            "DELETE FROM sessions WHERE session NOT IN (SELECT session FROM "
            "sessions ORDER BY touched DESC LIMIT ?)", (SESSIONS_MAX,))

    # ---- reading ----

    def number(self, session):
        """The last number of a session; 0: it is not known."""
        if session not in self._sessions:
            if len(self._sessions) >= SESSIONS_MAX:
                self._sessions.clear()
            row = self._db.execute("SELECT number FROM sessions WHERE session "
                                   "= ?", (session,)).fetchone()
            self._sessions[session] = row[0] if row else 0
        return self._sessions[session]

    def after(self, room, seq, limit):
        """The first messages of a room behind seq, at most `limit`."""
        return [message_of(row) for row in self._db.execute(
            "SELECT %s FROM messages WHERE room = ? AND seq > ? ORDER BY seq "
            "LIMIT ?" % FIELDS, (room, seq, limit))]

    def not_taken(self, seq):
        """What pages said behind seq and that is not known to be taken."""
        return [message_of(row) for room in self._counts
                for row in self._db.execute(
                    "SELECT %s FROM messages WHERE room = ? AND seq > ? AND "
                    "send_id IS NULL ORDER BY seq" % FIELDS,
                    (room, max(seq, self.taken.get(room, 0))))]

    def sent(self, send_id):
        """The message of a send, or None."""
        row = self._db.execute("SELECT %s FROM messages WHERE send_id = ?"
                               % FIELDS, (send_id,)).fetchone()
        return message_of(row) if row else None

    def reaches(self, room, since_ms):
        """Whether nothing that was said in the room since then was removed."""
        if room not in self.cut:
            return True
        row = self._db.execute("SELECT min(at) FROM messages WHERE room = ?",
                               (room,)).fetchone()
        return row[0] is not None and row[0] < since_ms


def open_history(path, keep, complain):
    """Opens the file; a damaged one is put aside, and a new one begun."""
    try:
        return History(path, keep)
    except Damaged as problem:
        aside = "%s.damaged" % path
        complain("%s is damaged (%s): it is now %s, and the rooms begin anew"
                 % (path, problem, aside))
        os.replace(path, aside)
        for rest in ("-wal", "-shm"):
            if os.path.exists(path + rest):
                os.replace(path + rest, aside + rest)
        return History(path, keep)

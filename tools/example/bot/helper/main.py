"""helper: a bot with two commands, /count NAME [NOTE] and /remind 10m TEXT, on
every channel, and with a word about each build. What it knows is in a file of
SQLite, so a reload or a crash loses nothing; the answer to a message is kept
with it, so a message that is given again after a crash is not counted twice."""
import os
import sqlite3
import time

import supd

plugin = supd.Plugin("helper", "1.0.0")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DAY, NAMES_MAX, REMINDERS_MAX = 86400, 10000, 1000
db = sqlite3.connect(os.path.join(plugin.data_dir, "helper.db"),
                     isolation_level=None)
db.executescript("""
    PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
    CREATE TABLE IF NOT EXISTS counts (name PRIMARY KEY, count);
    CREATE TABLE IF NOT EXISTS answers (message PRIMARY KEY, at, text);
    CREATE TABLE IF NOT EXISTS reminders (id INTEGER PRIMARY KEY AUTOINCREMENT,
                                          due, channel, chat, text);""")


def command(name, help):
    """A command whose answer and effect are one transaction."""
    def register(function):
        async def answer(text, req):
            message = None                 # from supctl: it comes once
            if req.caller["door"] == "channel":
                message = "%(channel)s %(id)s" % req.caller
            db.execute("BEGIN IMMEDIATE")
            with db:
                found = db.execute("SELECT text FROM answers WHERE message = ?",
                                   (message,)).fetchone()
                said = found[0] if found else function(text, req.caller)
                db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
                           (message, time.time(), said))
            return said
        plugin.command(name, help=help)(answer)
    return register


@command("count", "count, and say the sum: /count coffee")
def count(text, context):
    name, _, note = text.partition(" ")
    names = db.execute("SELECT count(*) FROM counts WHERE name <> ?",
                       (name,)).fetchone()[0]
    if not name or len(name) > 60 or names >= NAMES_MAX:
        return "like this: /count coffee (%d names are counted)" % names
    total = db.execute(
        "INSERT INTO counts VALUES (?, 1) ON CONFLICT DO UPDATE "
        "SET count = count + 1 RETURNING count", (name,)).fetchone()[0]
    return ("%s: %d %s" % (name, total, note)).rstrip()


@command("remind", "say something later, here: /remind 10m tea is ready")
def remind(text, context):
    time_left, _, text = text.partition(" ")
    unit, number = SECONDS.get(time_left[-1:]), time_left[:-1]
    waiting = db.execute("SELECT count(*) FROM reminders").fetchone()[0]
    if context["door"] != "channel":
        return "only in a chat"
    if not unit or not number.isdecimal() or len(number) > 6 or not text:
        return "like this: /remind 10m tea is ready"
    if waiting >= REMINDERS_MAX:
        return "%d reminders are waiting; try again later" % waiting
    db.execute("INSERT INTO reminders VALUES (NULL, ?, ?, ?, ?)", (
        time.time() + int(number) * unit, context["channel"],
        context["chat"]["id"], "%s: %s" % (context["from"]["name"], text)))
    return "I will, in " + time_left


@plugin.schedule("reminders", "every 1s", timeout=60)
async def send_reminders(tick):
    db.execute("DELETE FROM answers WHERE at < ?", (time.time() - DAY,))
    for number, _, channel, chat, text in db.execute(
            "SELECT * FROM reminders WHERE due <= ? ORDER BY due",
            (time.time(),)).fetchall():
        await plugin.send(channel, chat, text, key="reminder %d" % number,
                          timeout=30)                # the same key: sent once
        db.execute("DELETE FROM reminders WHERE id = ?", (number,))


@plugin.hook("webhook.build", idempotent=True, timeout=60)
async def announce(data, req):
    build = data.get("json") or {}
    for place in plugin.setting("announce", []):
        await plugin.send(
            place["channel"], place["chat"], "build of %s: %s" % (
                build.get("project"), build.get("result")),
            key="build %s" % data.get("id", req.context["id"]), timeout=30)


plugin.run()

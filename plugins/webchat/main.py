"""webchat: rooms on a page, which are a channel. Who opens the page talks to
the others in the room and to all that handles messages: commands, filters and
hooks; what plugins send to a room is on the page.

The channel is without overlap, because the history has one writer."""
import asyncio  # its loop is used
import hashlib
import os
import sqlite3

import supd
from caller import is_own_page
from house import House
from settings import Settings
from visitor import (CLOSE_FAULT, CLOSE_FORM, CLOSE_WRONG, FRAME_MAX, Visitor,
                     Wrong)

plugin = supd.Plugin("webchat", "1.0.0")
house = None
TEXT_BYTES = 16 * 1024  # of what plugins send
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "public")
FILES = {"": "text/html; charset=utf-8",
         "style.css": "text/css; charset=utf-8",
         "link.js": "text/javascript; charset=utf-8",
         "page.js": "text/javascript; charset=utf-8",
         "view.js": "text/javascript; charset=utf-8"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; "
          "connect-src 'self'; img-src data:; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")


# ---- the page ----

def add_file(name, content_type):
    with open(os.path.join(FOLDER, name or "index.html"), "rb") as file:
        content = file.read()
    tag = '"%s"' % hashlib.sha256(content).hexdigest()[:32]
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache",
               "ETag": tag, "Content-Security-Policy": POLICY,
               "X-Content-Type-Options": "nosniff",
               "Referrer-Policy": "no-referrer"}

    @plugin.http("GET", "/" + name, inline=True)
    def serve(req):
        known = req.header("if-none-match") == tag
        return supd.Response(304 if known else 200, headers,
                             None if known else content)


# ---- connections ----

@plugin.websocket("/ws", message_limit=FRAME_MAX)
async def connect(ws):
    if not ws.moved and not is_own_page(
            ws.header("origin"), ws.header("host", "").lower(),
            house.settings.origins):
        return 403
    if not ws.moved and not house.has_place(ws):
        return 503, None, {"Retry-After": "5"}
    visitor = Visitor(ws, house)
    ws.on_move = visitor.blob
    house.visitors.add(visitor)
    writer = plugin.spawn(write(visitor))
    try:
        visitor.arrive(ws.moved)
        async for frame in ws:
            if not isinstance(frame, str):
                await ws.close(CLOSE_FORM, "frames are text")
                break
            visitor.take(frame)
    except Wrong as problem:
        await ws.close(CLOSE_WRONG, str(problem))
    except sqlite3.Error as problem:
        await give_up(visitor, problem)
    finally:
        writer.cancel()
        visitor.leave()
        house.visitors.discard(visitor)


async def write(visitor):
    try:
        await visitor.write()
    except supd.Closed:
        pass
    except sqlite3.Error as problem:
        await give_up(visitor, problem)


async def give_up(visitor, problem):
    """The page comes again, in a while."""
    house.complain(problem)
    await visitor.ws.close(CLOSE_FAULT, "the rooms cannot be read")


async def look_round():
    while True:
        await asyncio.sleep(1)
        house.look_round()


# ---- the channel ----

async def start(channel):
    try:
        house.open(os.path.join(plugin.data_dir, "rooms.db"), channel)
    except (sqlite3.Error, OSError) as problem:
        raise supd.Error("failed", "the rooms cannot be opened: %s" % problem)


async def stop():
    house.close_history()


async def send(target, content, send_id):
    return house.send(target, content, send_id)


async def find(send_id, target, since):
    return house.find(send_id, target, since)


# ---- settings ----

def checked(said):
    try:
        return Settings(said)
    except ValueError as problem:
        raise supd.Error("bad_message", str(problem)) from None


@plugin.on_configure
async def configure(said):
    settings = checked(said)
    if settings.name != house.settings.name:
        raise supd.Error("failed", "another name needs a reload")
    house.change(settings)


@plugin.on_start
async def begin():
    global house
    house = House(plugin, checked(plugin.settings))
    for name, content_type in FILES.items():
        add_file(name, content_type)
    channel = plugin.channel(
        house.settings.name, can=("text", "reply", "find"),
        text_limit=TEXT_BYTES)(start)
    channel.stop(stop)
    channel.send(send)
    channel.find(find)
    plugin.spawn(look_round())


plugin.run()

"""outgoing: what supd sends, as calls of the Bot API. A call of which nobody
knows whether it was done is never made again here."""
import asyncio

import supd
from api import Failed
from markdown import read
from parts import CAPTION_MAX, split

TEXT_MAX = 64 * 1024  # bytes of one text; supd knows it, too
PARTS_MAX = 40     # messages that one text or its media may become
PAUSE_MAX = 60     # seconds between two of them
CALLS_MAX = 4      # at a time
METHODS = {"image": ("sendPhoto", "photo"), "video": ("sendVideo", "video"),
           "audio": ("sendAudio", "audio")}


def whole_number(value, what):
    try:
        return int(value)
    except (TypeError, ValueError):
        raise supd.NotSent("%s must be a number" % what) from None


def chat_of(value):
    """A chat's number, or the @name of a public one."""
    if isinstance(value, str) and value.startswith("@") and len(value) < 64:
        return value
    return whole_number(value, "the chat")


def message_of(value, chat):
    """(number of the message, its chat if that is another one) of an id
    CHAT:MESSAGE, of that of an edit, or of MESSAGE."""
    parts = str(value).split(":")
    if len(parts) == 1:
        return whole_number(value, "the message"), None
    where = whole_number(parts[0], "the chat of the message")
    return whole_number(parts[1], "the message"), \
        None if where == chat or isinstance(chat, str) else where


def _place(target):
    fields = {"chat_id": chat_of(target.get("chat"))}
    if target.get("thread"):
        fields["message_thread_id"] = whole_number(
            target["thread"], "the thread")
    return fields


def _answered(target, chat):
    if not target.get("reply_to"):
        return None
    number, where = message_of(target["reply_to"], chat)
    fields = {"message_id": number, "allow_sending_without_reply": True}
    return dict(fields, chat_id=where) if where else fields


def _read_text(content):
    text = content.get("text") or ""
    if not isinstance(text, str) or len(text.encode()) > TEXT_MAX:
        raise supd.NotSent("a text has at most %d KiB" % (TEXT_MAX >> 10))
    if content.get("format") == "markdown":
        return read(text)
    return text, ()


def _medium(item):
    """(method, its fields) of an item of media."""
    if not isinstance(item, dict):
        raise supd.NotSent("an item of media must be a map")
    what = item.get("file_id") or item.get("url")
    if not isinstance(what, str):
        raise supd.NotSent("Telegram is given media by url or file_id only")
    if not item.get("file_id") and not what.lower().startswith(
            ("http://", "https://")):
        raise supd.NotSent("the url of media must be http or https")
    method, key = METHODS.get(str(item.get("kind")),
                              ("sendDocument", "document"))
    return method, {key: what}


def calls_of(target, content):
    """[(method, fields)…], in order. NotSent."""
    text, entities = _read_text(content)
    media = [_medium(item) for item in content.get("media") or ()]
    pieces = split(text, entities)
    calls = [(method, dict(fields)) for method, fields in media]
    if calls and len(pieces) == 1:
        short = split(text, entities, CAPTION_MAX)
        if len(short) == 1:  # the text fits under the first of them
            calls[0][1].update(caption=short[0][0],
                               caption_entities=short[0][1])
            pieces = []
    calls += [("sendMessage", {"text": piece, "entities": found})
              for piece, found in pieces]
    if not calls:
        raise supd.NotSent("there is nothing to send: the text is empty")
    if len(calls) > PARTS_MAX:
        raise supd.NotSent("that would be %d messages, and at most %d are sent"
                           % (len(calls), PARTS_MAX))
    place = _place(target)
    for _, fields in calls:
        fields.update(place)
    calls[0][1]["reply_parameters"] = _answered(target, place["chat_id"])
    return calls


def _id_of(result):
    try:
        return "%d:%d" % (result["chat"]["id"], result["message_id"])
    except (TypeError, KeyError):
        raise Failed("unknown", "an answer without a message") from None


class Outgoing:
    """get_api gives the one that holds now."""

    def __init__(self, get_api):
        self.get_api = get_api
        self._slots = asyncio.Semaphore(CALLS_MAX)

    async def _call(self, method, fields):
        """If the token ended on the way and there is another one by now, that
        is used at once."""
        async with self._slots:
            while True:
                used = self.get_api()
                try:
                    return await used.call(method, fields)
                except Failed as problem:
                    if problem.code not in (401, 404) or \
                            self.get_api() is used:
                        raise

    async def send(self, target, content, _send_id):
        ids = []
        calls = calls_of(target, content)
        for method, fields in calls:
            try:
                ids.append(await self._send_one(method, fields, bool(ids)))
            except Failed as problem:
                if ids:
                    raise supd.Error("failed", "%d of %d messages went out, "
                                     "the next one failed: %s" % (
                                         len(ids), len(calls), problem)
                                     ) from None
                raise self._outcome(problem) from None
        return {"ids": ids}

    async def _send_one(self, method, fields, is_later):
        """A later one of several waits here, since the first ones must not go
        out again."""
        while True:
            try:
                return _id_of(await self._call(method, fields))
            except Failed as problem:
                if problem.chat is not None and \
                        fields["chat_id"] != problem.chat:
                    fields["chat_id"] = problem.chat
                    continue
                if not is_later or problem.kind not in ("later", "unsent") or \
                        problem.seconds > PAUSE_MAX:
                    raise
                await asyncio.sleep(problem.seconds)

    @staticmethod
    def _outcome(problem):
        if problem.kind == "refused":
            return supd.NotSent(str(problem))
        if problem.kind in ("later", "unsent"):
            return supd.Retry(problem.seconds, str(problem))
        return supd.Error("failed", str(problem))

    async def act(self, action, target, args):
        method, fields = act_call(action, target, args)
        try:
            result = await self._call(method, fields)
        except Failed as problem:
            raise self._outcome(problem) from None
        return {"ids": [_id_of(result)] if isinstance(result, dict) else []}


def act_call(action, target, args):
    """(method, fields) of an action. NotSent."""
    args = args if isinstance(args, dict) else {}
    fields = _place(target)
    if action == "typing":
        return "sendChatAction", dict(fields, action="typing")
    fields.pop("message_thread_id", None)
    ident = target.get("id")
    if not ident:
        raise supd.NotSent("%s needs the id of a message" % action)
    fields["message_id"], where = message_of(ident, fields["chat_id"])
    if where:
        raise supd.NotSent("the message is of another chat")
    if action == "delete":
        return "deleteMessage", fields
    if action == "react":
        emoji = args.get("emoji") or ""
        return "setMessageReaction", dict(fields, reaction=[
            {"type": "emoji", "emoji": str(emoji)[:64]}] if emoji else [])
    pieces = split(*_read_text(args))
    if len(pieces) != 1:
        raise supd.NotSent("an edited text must have 1 to 4096 characters")
    return "editMessageText", dict(fields, text=pieces[0][0],
                                   entities=pieces[0][1])

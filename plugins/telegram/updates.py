"""updates: makes messages for supd of what Telegram tells. Everything in an
update is checked, for the server may be anyone's; what makes no sense is no
message. Ids are CHAT:MESSAGE; an edit is a message of its own."""
FIELDS = {"message": False, "channel_post": False,
          "edited_message": True, "edited_channel_post": True}
TYPES = {"private": "direct", "group": "group", "supergroup": "group",
         "channel": "channel"}
MEDIA = {"animation": "video", "audio": "audio", "document": "file",
         "sticker": "image", "video": "video", "video_note": "video",
         "voice": "audio"}
NAME_MAX = 128
MENTION_MAX = 256  # units of a name or a command with a name


class Malformed(ValueError):
    """The update is none of the Bot API."""


def _map(value, what):
    if not isinstance(value, dict):
        raise Malformed("%s is missing" % what)
    return value


def _number(fields, key):
    value = fields.get(key)
    if type(value) is not int or not -2**63 <= value < 2**63:
        raise Malformed("%s is missing" % key)
    return value


def _text(fields, key, most=None):
    """A string that can be passed on; None if it is none, or empty."""
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        return None
    return value[:most].encode("utf-8", "replace").decode()


def id_of(update):
    """Malformed."""
    number = _number(_map(update, "the update"), "update_id")
    if not 0 <= number < 2**53:
        raise Malformed("update_id is out of range")
    return number


def _sender(message):
    """Who vouches: for a post in the name of a chat, that chat; `from` is then
    the same fake user for everybody."""
    sender = message.get("sender_chat")
    if sender is None and "from" not in message:
        sender = message["chat"]
    if isinstance(sender, dict):
        name = _text(sender, "title", NAME_MAX) or \
            _text(sender, "username", NAME_MAX)
    else:
        sender = _map(message.get("from"), "from")
        names = [_text(sender, "first_name", NAME_MAX),
                 _text(sender, "last_name", NAME_MAX)]
        name = " ".join(filter(None, names)) or \
            _text(sender, "username", NAME_MAX)
    return {"id": str(_number(sender, "id")), "name": name, "verified": True}


def _size(fields):
    size = fields.get("file_size")
    return size if type(size) is int and 0 <= size < 2**53 else None


def _file(kind, fields):
    found = {"kind": kind, "type": _text(fields, "mime_type", 128),
             "name": _text(fields, "file_name", 256), "size": _size(fields),
             "file_id": _text(fields, "file_id", 256)}
    return {key: value for key, value in found.items() if value is not None}


def _media(message):
    found = []
    photo = message.get("photo")  # the same in several sizes
    if isinstance(photo, list) and photo and isinstance(photo[-1], dict):
        found.append(_file("image", photo[-1]))
    for key, kind in MEDIA.items():
        if key == "document" and "animation" in message:
            continue  # the same once more
        if isinstance(message.get(key), dict):
            found.append(_file(kind, message[key]))
    return found or None


def _entities(message, key):
    """(kind, what it covers, the entity)…; Telegram counts in UTF-16."""
    text, entities = message.get(key), message.get(
        "entities" if key == "text" else "caption_entities")
    if not isinstance(text, str) or not isinstance(entities, list):
        return
    units = text.encode("utf-16-le", "surrogatepass")
    for entity in entities[:1000]:
        try:
            begin, length = entity["offset"], entity["length"]
            if min(begin, length) < 0 or length > MENTION_MAX:
                continue
            yield entity["type"], units[2 * begin:2 * (begin + length)].decode(
                "utf-16-le", "replace"), entity
        except (TypeError, KeyError):
            continue


def _is_mentioned(message, key, me):
    name = "@" + me["username"].lower()
    for kind, covered, entity in _entities(message, key):
        covered = covered.lower()
        if (kind == "mention" and covered == name) or \
                (kind == "bot_command" and covered.endswith(name)):
            return True
        user = entity.get("user")
        if kind == "text_mention" and isinstance(user, dict) and \
                user.get("id") == me["id"]:
            return True
    return False


def _command(text, me):
    """/word@bot becomes /word. To another bot it stays: no command has such a
    name."""
    if not text or not text.startswith("/"):
        return text
    word = text.split(None, 1)[0]
    command, at, bot = word.partition("@")
    if at and bot.lower() == me["username"].lower():
        return command + text[len(word):]
    return text


def _thread(message):
    if message.get("is_topic_message") is not True:
        return None
    return str(_number(message, "message_thread_id"))


def _reply(message, chat, thread):
    """(what it answers, whether that is the bot's). Every message of a topic
    answers its first one, which nobody wrote."""
    original = message.get("reply_to_message")
    if not isinstance(original, dict):
        return None, None
    number = _number(original, "message_id")
    if thread == str(number):
        return None, None
    sender = original.get("from")
    return "%s:%d" % (chat, number), \
        sender.get("id") if isinstance(sender, dict) else None


def message_of(update, me):
    """The message for supd in an update, or None: it is nothing to read.
    me: {id, username} of the bot. Malformed."""
    number = id_of(update)
    for field, is_edit in FIELDS.items():
        if field in update:
            break
    else:
        return None
    message = _map(update[field], field)
    where = _map(message.get("chat"), "chat")
    chat = str(_number(where, "id"))
    if where.get("type") not in TYPES:
        raise Malformed("the chat's type is unknown")
    key = "text" if isinstance(message.get("text"), str) else "caption"
    text, media = _text(message, key), _media(message)
    if text is None and media is None:
        return None
    thread = _thread(message)
    reply_to, replied = _reply(message, chat, thread)
    ident = "%s:%d" % (chat, _number(message, "message_id"))
    sender = _sender(message)
    at = message.get("edit_date" if is_edit else "date")
    found = {
        "id": "%s:e%d" % (ident, number) if is_edit else ident,
        "edit_of": ident if is_edit else None,
        "lane": "%s/%s" % (chat, thread) if thread else chat,
        "at": at * 1000 if type(at) is int and 0 < at < 2**40 else None,
        "from": sender, "chat": {"id": chat, "type": TYPES[where["type"]]},
        "thread": thread, "reply_to": reply_to, "text": _command(text, me),
        "media": media,
        "mentioned": _is_mentioned(message, key, me) or
        replied == me["id"] or None,
        "self": sender["id"] == str(me["id"]) or None}
    return {name: value for name, value in found.items() if value is not None}

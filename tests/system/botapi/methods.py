"""methods: what a bot may call beside getUpdates and setWebhook, with the
checks of the real server."""
import time

from bot import Refused

TEXT_MAX, CAPTION_MAX = 4096, 1024
BAD = "Bad Request: "


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _check_text(text, entities, most):
    if units(text) > most:
        raise Refused(400, BAD + "message is too long")
    for entity in entities or ():
        if entity["offset"] < 0 or entity["length"] <= 0 or \
                entity["offset"] + entity["length"] > units(text):
            raise Refused(400, BAD + "entity is out of the text")


def _chat(bot, fields):
    chat = fields.get("chat_id")
    if not isinstance(chat, int) or not chat:
        raise Refused(400, BAD + "chat not found")
    if chat in bot.knobs["blocked"]:
        raise Refused(403, "Forbidden: bot was blocked by the user")
    return chat


def _kept(bot, fields):
    key = _chat(bot, fields), fields.get("message_id")
    if key not in bot.messages:
        raise Refused(400, BAD + "message not found")
    return key


def send(bot, method, fields):
    chat = _chat(bot, fields)
    if method == "sendMessage":
        text = fields.get("text", "")
        if not text.strip():
            raise Refused(400, BAD + "message text is empty")
        _check_text(text, fields.get("entities"), TEXT_MAX)
    else:
        text = fields.get("caption", "")
        _check_text(text, fields.get("caption_entities"), CAPTION_MAX)
    answered = fields.get("reply_parameters") or {}
    if answered and (chat, answered["message_id"]) not in bot.messages and \
            not answered.get("allow_sending_without_reply"):
        raise Refused(400, BAD + "message to be replied not found")
    number = bot.new_message(chat, text)
    return {"message_id": number, "date": int(time.time()),
            "chat": {"id": chat, "type": "private"},
            "from": {"id": bot.number, "is_bot": True, "first_name": "Bot"},
            "text": text}


def edit(bot, _, fields):
    key = _kept(bot, fields)
    _check_text(fields["text"], fields.get("entities"), TEXT_MAX)
    if bot.messages[key] == fields["text"]:
        raise Refused(400, BAD + "message is not modified")
    bot.messages[key] = fields["text"]
    return {"message_id": key[1], "chat": {"id": key[0], "type": "private"}}


def delete(bot, _, fields):
    del bot.messages[_kept(bot, fields)]
    return True


def react(bot, _, fields):
    _kept(bot, fields)
    return True


def typing(bot, _, fields):
    _chat(bot, fields)
    return True


METHODS = {"sendmessage": send, "sendphoto": send, "sendvideo": send,
           "sendaudio": send, "senddocument": send, "editmessagetext": edit,
           "deletemessage": delete, "setmessagereaction": react,
           "sendchataction": typing}

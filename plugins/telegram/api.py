"""api: calls methods of the Bot API, and says what became of each. The token is
in the path of every request and in no message."""
import asyncio
import json

from exchange import Exchange, NoAnswer, Server, Unusable, parse

CALL_TIMEOUT = 20      # seconds, of calls that answer at once
RETRY_AFTER_MAX = 3600
DESCRIPTION_MAX = 300


class Failed(Exception):
    """A call without a result. kind:

    refused   Telegram answered that it does not do it: code, description
    later     not done; after `seconds` it may be asked again
    unsent    it certainly did not get there
    unknown   it may have been done
    """

    def __init__(self, kind, text, code=0, seconds=1, chat=None):
        super().__init__(text)
        self.kind, self.code, self.seconds = kind, code, seconds
        self.chat = chat  # the group is this one now


def _whole(value, most):
    return min(value, most) if type(value) is int and value > 0 else 0


def _description(answer):
    text = answer.get("description")
    if not isinstance(text, str):
        return "no description"
    return "".join(char if char.isprintable() else " "
                   for char in text[:DESCRIPTION_MAX])


def result_of(status, body):
    """The result in an answer. Failed, Unusable."""
    if 300 <= status < 400:
        raise Failed("refused", "a redirect (%d), which is not followed"
                     % status, status)
    if status >= 500:
        raise Failed("unknown", "HTTP status %d" % status, status)
    try:
        answer = parse(body)
    except Unusable:
        if status < 400:
            raise
        answer = {}
    if not isinstance(answer, dict):
        raise Unusable("an answer that is not a map")
    if status < 400 and answer.get("ok") is True:
        return answer.get("result")
    code = answer.get("error_code")
    code = code if type(code) is int and 400 <= code < 600 else status
    text = "%s (%d)" % (_description(answer), code)
    more = answer.get("parameters")
    more = more if isinstance(more, dict) else {}
    if code == 429:
        raise Failed("later", text, code,
                     _whole(more.get("retry_after"), RETRY_AFTER_MAX) or 1)
    if code in (401, 404):  # what is not a method is not called here
        raise Failed("later", "the token is not valid: " + text, code, 5)
    if code >= 500 or code < 400:
        raise Failed("unknown", text, code)
    chat = more.get("migrate_to_chat_id")
    raise Failed("refused", text, code, chat=chat if type(chat) is int
                 else None)


class Api:
    """One token at one server. in_thread runs a function on a thread."""

    def __init__(self, settings, in_thread):
        self.settings, self.in_thread = settings, in_thread
        self.server = Server(settings)
        self.me = None  # {id, username}, once known

    async def call(self, method, fields=None, timeout=CALL_TIMEOUT):
        """The result. Failed; what is cancelled ends at once."""
        fields = {key: value for key, value in (fields or {}).items()
                  if value is not None}
        exchange = Exchange(
            self.server, "%s/bot%s/%s" % (self.settings.path,
                                          self.settings.token, method),
            json.dumps(fields).encode())
        try:
            status, body = await asyncio.wait_for(
                self.in_thread(exchange.run), timeout)
            return result_of(status, body)
        except asyncio.TimeoutError:
            exchange.abort()
            raise Failed("unknown" if exchange.was_written else "unsent",
                         "no answer to %s within %g s" % (method, timeout)
                         ) from None
        except NoAnswer as problem:
            raise Failed("unknown" if problem.was_written else "unsent",
                         self._clean(problem)) from None
        except Unusable as problem:
            raise Failed("unknown", str(problem)) from None
        except BaseException:
            exchange.abort()
            raise

    def _clean(self, problem):
        return str(problem).replace(self.settings.token, "TOKEN")

    async def learn(self):
        """Who the bot is, which shows that the token is valid. Failed."""
        me = await self.call("getMe", timeout=self.settings.connect_timeout)
        if not isinstance(me, dict) or type(me.get("id")) is not int or \
                not isinstance(me.get("username"), str):
            raise Failed("unknown", "an answer to getMe without a bot")
        self.me = {"id": me["id"], "username": me["username"][:64]}
        return self.me

    def close(self):
        self.server.close()

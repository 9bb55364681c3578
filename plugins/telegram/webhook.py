"""webhook: takes updates that Telegram delivers by HTTP. A delivery is answered
with 200 when supd has its message, and else with an error, after which it is
delivered again. Bounded: so many deliveries at a time, and so much of each."""
import asyncio
import hmac

import supd
from api import Failed
from exchange import Unusable, parse
from updates import Malformed, message_of

BODY_MAX = 1024 * 1024   # Telegram's own have at most half of that
DELIVERIES_MAX = 100     # Telegram has no more at a time
PATIENCE = 15            # seconds in which supd is to take a message
HEADER = "X-Telegram-Bot-Api-Secret-Token"


class Webhook:
    def __init__(self, plugin):
        self.plugin = plugin
        self.api = self.channel = None
        self._secrets = ()
        self._running = {}  # update_id -> task, until supd has answered

    # ---- from outside ----

    def expect(self, api):
        self.api, self._secrets = api, (api.settings.secret,)

    async def start(self, api, channel):
        """Failed."""
        await self._set(api)
        self.expect(api)
        self.channel = channel

    async def use(self, api):
        """Other credentials, the old ones being good until Telegram has the new
        ones. Failed, and all is as it was."""
        before, self._secrets = self._secrets, self._secrets + (
            api.settings.secret,)
        try:
            await self._set(api)
        except BaseException:
            self._secrets = before
            raise
        self.expect(api)

    async def _set(self, api):
        """Telegram takes one setWebhook a second."""
        while True:
            try:
                await api.call("setWebhook", {
                    "url": api.settings.url,
                    "secret_token": api.settings.secret,
                    "allowed_updates": api.settings.allowed_updates})
                return
            except Failed as problem:
                if problem.code != 429 or problem.seconds > 5:
                    raise
                await asyncio.sleep(problem.seconds)

    def stop(self):
        """The webhook stays set: Telegram delivers again what is refused until
        the next worker takes it."""
        self.channel = None

    # ---- deliveries ----

    def _is_known(self, req):
        given = (req.header(HEADER) or "").encode("utf-8", "replace")
        # All of them, so that the time does not say which.
        return sum([hmac.compare_digest(given, secret.encode())
                    for secret in self._secrets]) > 0

    async def take(self, req):
        """The answer to a delivery: (status, value)."""
        if not self._is_known(req):
            return 401, {"error": "the secret token is wrong or missing"}
        if not self.channel:
            return self._later("the channel is not connected")
        try:
            update = parse(await req.body())
            message = message_of(update, self.api.me)
        except (Unusable, Malformed) as problem:
            return 400, {"error": str(problem)}
        if message is None:
            return 200, {}
        return await self._answer(update["update_id"], message)

    async def _answer(self, number, message):
        task = self._running.get(number)
        if not task:
            if len(self._running) >= DELIVERIES_MAX:
                return self._later("supd does not take it now")
            task = asyncio.ensure_future(self._give(message))
            self._running[number] = task
            task.add_done_callback(lambda _: self._running.pop(number, None))
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        return task.result() if done else self._later("supd is busy")

    async def _give(self, message):
        try:
            await self.channel.receive(message)
        except supd.Stopped:
            return self._later("the channel is stopped")
        except (supd.Error, TypeError, ValueError) as problem:
            self.plugin.log("warn", "message %s is left out: %s" % (
                message["id"], problem))
        return 200, {}

    @staticmethod
    def _later(text):
        return 503, {"error": text}, {"Retry-After": "1"}

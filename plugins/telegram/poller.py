"""poller: asks for updates and gives them to supd. Telegram takes a request as
acknowledgement of everything before its offset, so the next one is sent when
supd has answered for the whole batch, and only then. What goes wrong is shown
as the channel's state, and tried again after a pause that grows."""
import asyncio
import random
import time

import supd
from api import Failed
from updates import Malformed, id_of, message_of

BATCH = 100          # updates of one answer; Telegram gives no more
PAUSE_FIRST, PAUSE_LAST = 0.25, 60  # seconds
SPARE = 10           # seconds that a server may take beyond poll_timeout
PROBE = 3            # poll_timeout after a failure, to see soon that it is over
EMPTY_MIN = 1        # seconds between two requests that bring nothing
WEBHOOK = "webhook is active"


def read_cursor(cursor, bot):
    """The offset in a cursor; None: there is none, or it is of another bot."""
    owner, _, offset = (cursor or b"").decode("ascii", "replace").partition(
        ":")
    return int(offset) if owner == bot and offset.isdigit() and \
        len(offset) < 17 else None


class Poller:
    def __init__(self, plugin):
        self.plugin = plugin
        self.api = self.channel = self.offset = None
        self._task = self._current = None
        self._left_out = 0  # of a batch
        self._reset()

    def _reset(self):
        self._pause, self._is_up, self._batch = PAUSE_FIRST, True, BATCH
        # A webhook that is in the way is deleted, once.
        self._may_delete, self._is_to_delete = True, False

    # ---- from outside ----

    def start(self, api, channel):
        self.api, self.channel = api, channel
        self.offset = read_cursor(channel.cursor, api.settings.bot)
        self._reset()
        self._task = self.plugin.spawn(self._run())

    async def stop(self):
        """Ends a request that runs at once. The cursor after all that supd has
        answered for; None: the channel's own says more."""
        task, self._task = self._task, None
        if task and not task.done():
            task.cancel()
            await asyncio.wait([task])
        if self.offset is None:
            return None
        own = read_cursor(self.channel.cursor, self.api.settings.bot)
        return None if own is not None and own > self.offset \
            else self._cursor(self.offset)

    def use(self, api):
        """Another token: from the next request on, which comes at once."""
        self.api, self._pause = api, PAUSE_FIRST
        if self._current:
            self._current.cancel()

    # ---- the loop ----

    def _cursor(self, offset):
        return "%s:%d" % (self.api.settings.bot, offset)

    async def _run(self):
        try:
            while True:
                try:
                    await self._turn()
                except Failed as problem:
                    await self._after(problem)
        except supd.Stopped:
            pass  # the stop has come, or another worker has the channel
        except Exception:
            self.channel.status("failed", "polling has ended by a fault")
            raise

    async def _unless_used(self, coroutine):
        """Its result; None if another token came meanwhile."""
        api = self.api
        self._current = asyncio.ensure_future(coroutine)
        try:
            return await self._current
        except asyncio.CancelledError:
            if self._task is None or self.api is api:
                raise
            return None
        finally:
            self._current = None

    async def _turn(self):
        began = time.monotonic()
        if self._is_to_delete:
            self._is_to_delete = False
            self.plugin.log("warn", "channel %s: deleting the bot's webhook, "
                            "since mode is poll" % self.channel.name)
            await self.api.call("deleteWebhook")
        updates = await self._ask()
        if updates is None:
            return
        self._is_fine()
        if updates:
            await self._take(updates)
        self._pause, self._batch = PAUSE_FIRST, BATCH
        if not updates:
            await asyncio.sleep(began + EMPTY_MIN - time.monotonic())

    async def _ask(self):
        """The updates; None: another token came, ask again."""
        api, timeout = self.api, self.api.settings.poll_timeout
        if not self._is_up:
            timeout = min(timeout, PROBE)
        updates = await self._unless_used(api.call("getUpdates", {
            "offset": self.offset, "limit": self._batch, "timeout": timeout,
            "allowed_updates": api.settings.allowed_updates},
            timeout + SPARE))
        if self.api is not api:
            return None
        if not isinstance(updates, list) or len(updates) > BATCH:
            raise Failed("unknown", "an answer without a list of updates")
        return updates

    async def _take(self, updates):
        """Gives all to supd, and ends when supd has answered for all."""
        answers, following, self._left_out = [], self.offset or 0, 0
        for update in updates:
            try:
                number = id_of(update)
            except Malformed as problem:
                raise Failed("unknown", str(problem)) from None
            following = max(following, number + 1)
            answers.append(self._give(update, following))
        for answer in answers:
            if answer is None:
                continue
            try:
                await answer
            except supd.Error:
                pass  # supd never takes it; the SDK has logged it
        if following == self.offset:
            raise Failed("unknown", "the server repeats what was acknowledged")
        self.offset = following

    def _give(self, update, following):
        """What ends when supd has answered; None: nothing is to be asked."""
        try:
            message = message_of(update, self.api.me)
            if message is None:
                return None
            message["cursor"] = self._cursor(following)
            return self.channel.receive(message)
        except (Malformed, TypeError, ValueError, supd.Error) as problem:
            self._left_out += 1
            if self._left_out == 1:  # one line for each batch
                self.plugin.log("warn", "update %d is left out: %s"
                                % (update["update_id"], problem))
            return None

    # ---- states ----

    def _is_fine(self):
        if not self._is_up:
            self._is_up = True
            self.channel.status("up")

    def _say(self, state, text):
        if self._is_up:
            self.plugin.log("warn", "channel %s: %s" % (
                self.channel.name, text))
        self._is_up = False
        self.channel.status(state, text)

    async def _after(self, problem):
        """Shows what went wrong, and waits."""
        seconds = self._pause * random.uniform(0.75, 1)
        self._pause = min(2 * self._pause, PAUSE_LAST)
        self._batch = max(1, self._batch // 2)  # it may have been too much
        if problem.code in (401, 404):
            self._say("login", "%s; ask @BotFather for a token" % problem)
            seconds = max(seconds, 5)
        elif problem.code == 409 and WEBHOOK in str(problem):
            if self._may_delete:
                self._may_delete, self._is_to_delete = False, True
                return
            self._say("waiting", "somebody sets a webhook for this bot, which "
                      "ends polling: %s" % problem)
        elif problem.code == 409:
            self._say("waiting", "another program polls for this bot; stop it "
                      "or get a token of its own: %s" % problem)
        else:
            self._say("waiting", "no updates: %s" % problem)
            if problem.kind == "later":
                seconds = max(seconds, problem.seconds)
        await self._unless_used(asyncio.sleep(seconds))

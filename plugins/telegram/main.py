"""telegram: a channel for a bot of Telegram, by long polling or by a webhook.

settings, updates, markdown and parts are pure; exchange and api call the Bot
API; poller and webhook bring messages in, outgoing takes them out."""
import asyncio

import supd
import settings
from api import Api, Failed
from outgoing import Outgoing, TEXT_MAX
from poller import Poller
from webhook import BODY_MAX, Webhook

CAN = ("text", "media", "reply", "thread", "edit", "delete", "react", "typing")

plugin = supd.Plugin("telegram", "1.0.0", loop="asyncio")
poller = Poller(plugin)
webhook = Webhook(plugin)


class Bot:
    """The settings in force, and what was learned by them."""

    def __init__(self):
        self.api = self.learning = None

    def make_api(self, values):
        return Api(settings.read(values), plugin.in_thread)

    async def learn(self):
        """Once for each token, and before the worker has to take over."""
        if self.api.me:
            return
        if not self.learning or self.learning.done():
            self.learning = asyncio.ensure_future(self.api.learn())
            self.learning.add_done_callback(
                lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self.learning)


bot = Bot()
outgoing = Outgoing(lambda: bot.api)


async def connect(channel):
    try:
        await bot.learn()
        if bot.api.settings.mode == "webhook":
            await webhook.start(bot.api, channel)
        else:
            poller.start(bot.api, channel)
    except Failed as problem:
        raise supd.Error("failed", str(problem)) from None


async def disconnect():
    if bot.api.settings.mode == "webhook":
        webhook.stop()
        return None
    return await poller.stop()


async def deliver(req):
    return await webhook.take(req)


@plugin.on_start
async def start():
    bot.api = bot.make_api(plugin.settings)
    channel = plugin.channel(bot.api.settings.name, can=CAN,
                             text_limit=TEXT_MAX)(connect)
    channel.stop(disconnect)
    channel.send(outgoing.send)
    channel.act(outgoing.act)
    if bot.api.settings.mode == "webhook":
        webhook.expect(bot.api)
        plugin.http("POST", "/update", body_limit=BODY_MAX)(deliver)
    plugin.spawn(prepare())


async def prepare():
    try:
        await bot.learn()
    except Failed:
        pass  # the start of the channel tries again, and says it


@plugin.on_configure
async def configure(values):
    """Another token is tried beside the old one, and used once it is good."""
    old, api = bot.api, None
    try:
        api = bot.make_api(values)
        check_same(old.settings, api.settings)
        await asyncio.wait_for(swap(api), api.settings.connect_timeout)
    except BaseException as problem:
        if api:
            api.close()
        if isinstance(problem, asyncio.TimeoutError):
            problem = Failed("unsent", "no answer within connect_timeout")
        if isinstance(problem, (Failed, ValueError, OSError)):
            raise supd.Error("failed", str(problem)) from None
        raise
    old.close()


def check_same(old, new):
    for key in settings.FIXED:
        if getattr(new, key) != getattr(old, key):
            raise ValueError("a changed %s needs a reload" % key)
    if new.bot != old.bot:
        raise ValueError("the token of another bot needs a reload")


async def swap(api):
    await api.learn()
    if api.settings.mode == "webhook":
        if webhook.channel:
            await webhook.use(api)
    else:
        poller.use(api)
    bot.api, bot.learning = api, None


plugin.run()

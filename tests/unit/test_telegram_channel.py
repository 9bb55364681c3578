"""When telegram acknowledges, what becomes of what it sends, and how it answers
deliveries. Supd and the server are fakes here."""
import asyncio
import json
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "plugins/telegram"),
                os.path.join(ROOT, "worker/python")]
import supd  # noqa: E402
import api  # noqa: E402
import outgoing  # noqa: E402
import poller  # noqa: E402
import settings  # noqa: E402
import webhook  # noqa: E402

TOKEN = "1001:abc-DEF_1"
ME = {"id": 1001, "username": "Some_bot"}


def update(number, text="hi", **more):
    return {"update_id": number, "message": dict({
        "message_id": number, "date": 1700000000, "text": text,
        "chat": {"id": 42, "type": "private"},
        "from": {"id": 7, "first_name": "Ann", "last_name": "B"}}, **more)}


class FakePlugin:
    def __init__(self):
        self.lines = []

    def log(self, level, text):
        self.lines.append(text)

    def spawn(self, coroutine):
        return asyncio.ensure_future(coroutine)


class FakeChannel:
    name, cursor, open = "telegram", None, True

    def __init__(self):
        self.states, self.given = [], []

    def status(self, state, text=""):
        self.states.append(state)

    def receive(self, fields):
        future = asyncio.get_running_loop().create_future()
        self.given.append((fields, future))
        return future


class FakeApi:
    """Answers what is put into it."""
    me = ME

    def __init__(self, token=TOKEN):
        self.settings = settings.read({"token": token})
        self.asked = asyncio.Queue()
        self.answers = asyncio.Queue()

    async def call(self, method, fields=None, timeout=0):
        await self.asked.put((method, fields or {}))
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Polling(unittest.IsolatedAsyncioTestCase):
    def begin(self, cursor=None):
        self.api, self.channel = FakeApi(), FakeChannel()
        self.channel.cursor = cursor
        self.poller = poller.Poller(FakePlugin())
        self.poller.start(self.api, self.channel)

    async def offset(self):
        method, fields = await self.api.asked.get()
        self.assertEqual(method, "getUpdates")
        return fields.get("offset")

    async def test_the_next_offset_waits_for_all_answers(self):
        self.begin()
        self.assertIsNone(await self.offset())
        await self.api.answers.put([update(5), update(6)])
        while len(self.channel.given) < 2:
            await asyncio.sleep(0)
        (first, answer), (second, later) = self.channel.given
        self.assertEqual(first["cursor"], "1001:6")
        self.assertEqual(second["cursor"], "1001:7")
        later.set_result("new")
        for _ in range(100):
            await asyncio.sleep(0)
        self.assertTrue(self.api.asked.empty())
        answer.set_result("seen")
        self.assertEqual(await self.offset(), 7)
        self.assertEqual(await self.poller.stop(), "1001:7")

    async def test_a_stop_acknowledges_nothing_more(self):
        self.begin(b"1001:5")
        self.assertEqual(await self.offset(), 5)
        await self.api.answers.put([update(5)])
        while not self.channel.given:
            await asyncio.sleep(0)
        self.channel.given[0][1].set_exception(supd.Stopped("stopped"))
        await asyncio.wait([self.poller._task])
        self.assertTrue(self.api.asked.empty())
        self.assertEqual(await self.poller.stop(), "1001:5")

    async def test_what_is_refused_or_unreadable_is_passed_over(self):
        self.begin()
        await self.offset()
        await self.api.answers.put([
            update(1), update(2, chat={"id": 1, "type": "moon"}),
            {"update_id": 3, "poll": {}}])
        while not self.channel.given:
            await asyncio.sleep(0)
        self.channel.given[0][1].set_exception(
            supd.Error("bad_message", "no"))
        self.assertEqual(await self.offset(), 4)
        await self.poller.stop()

    async def test_cursors_of_other_bots_are_none(self):
        for cursor, offset in ((b"1001:5", 5), (b"1002:5", None), (b"", None),
                               (b"1001:-5", None), (b"1001:x", None),
                               (b"\xff", None), (b"1001:" + b"9" * 99, None)):
            self.begin(cursor)
            self.assertEqual(await self.offset(), offset)
            await self.poller.stop()

    async def test_another_token_is_used_at_once(self):
        self.begin(b"1001:5")
        await self.offset()
        old, self.api = self.api, FakeApi("1001:other")
        self.poller.use(self.api)
        self.assertEqual(await self.offset(), 5)
        self.assertTrue(old.asked.empty())
        self.assertFalse(self.poller._task.done())
        await self.api.answers.put(api.Failed("later", "wait", 429, 3600))
        while not self.channel.states:  # it pauses for an hour
            await asyncio.sleep(0)
        self.api = FakeApi("1001:third")
        self.poller.use(self.api)
        self.assertEqual(await self.offset(), 5)
        self.poller.use(old)  # and a stop right behind it is a stop
        await asyncio.wait_for(self.poller.stop(), 60)

    async def test_a_fault_of_ours_is_a_channel_that_has_failed(self):
        self.begin()
        await self.offset()
        self.channel.receive = self.fail
        await self.api.answers.put([update(1)])
        await asyncio.wait([self.poller._task])
        self.assertIsInstance(self.poller._task.exception(), AssertionError)
        self.assertEqual(self.channel.states, ["failed"])

    async def test_states_say_what_is_wrong(self):
        poller.PAUSE_FIRST, before = 0.001, poller.PAUSE_FIRST
        self.addCleanup(setattr, poller, "PAUSE_FIRST", before)
        for problem, state in (
                (api.Failed("unknown", "502", 502), "waiting"),
                (api.Failed("refused", "Conflict", 409), "waiting"),
                (api.Failed("unsent", "nobody"), "waiting")):
            self.begin()
            await self.offset()
            await self.api.answers.put(problem)
            await self.offset()
            await self.api.answers.put([])
            while len(self.channel.states) < 2:
                await asyncio.sleep(0.001)
            self.assertEqual(self.channel.states, [state, "up"])
            await self.poller.stop()

    async def test_a_webhook_in_the_way_is_deleted_once(self):
        self.begin()
        await self.offset()
        conflict = api.Failed("refused", "webhook is active", 409)
        await self.api.answers.put(conflict)
        self.assertEqual((await self.api.asked.get())[0], "deleteWebhook")
        await self.api.answers.put(True)
        await self.offset()
        await self.api.answers.put(conflict)
        await self.offset()
        self.assertEqual(self.channel.states, ["waiting"])
        await self.poller.stop()


SENT = {"chat": {"id": 42}, "message_id": 9}


class Outgoing(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.api = FakeApi()
        self.outgoing = outgoing.Outgoing(lambda: self.api)

    async def send(self, text, *answers):
        for answer in answers:
            await self.api.answers.put(answer)
        return await self.outgoing.send({"chat": "42"}, {"text": text}, "s1")

    async def expect(self, kind, text, *answers):
        with self.assertRaises(kind) as raised:
            await self.send(text, *answers)
        self.assertEqual(self.api.asked.qsize(), len(answers))
        return raised.exception

    async def test_ids_are_those_of_all_messages(self):
        self.assertEqual(await self.send("hi", SENT), {"ids": ["42:9"]})
        second = dict(SENT, message_id=10)
        self.assertEqual(await self.send("x" * 5000, SENT, second),
                         {"ids": ["42:9", "42:10"]})

    async def test_outcomes_are_those_of_the_contract(self):
        for failed, kind in (
                (api.Failed("refused", "no", 400), supd.NotSent),
                (api.Failed("unsent", "nobody"), supd.Retry),
                (api.Failed("unknown", "502", 502), supd.Error)):
            await self.asyncSetUp()
            await self.expect(kind, "hi", failed)
        await self.asyncSetUp()
        problem = await self.expect(
            supd.Retry, "hi", api.Failed("later", "wait", 429, 7))
        self.assertEqual(problem.seconds, 7)
        await self.asyncSetUp()
        await self.expect(supd.Error, "hi", {"chat": []})

    async def test_of_several_the_first_are_not_sent_again(self):
        later = api.Failed("later", "wait", 429, 0.001)
        self.assertEqual(
            len((await self.send("x" * 5000, SENT, later, SENT))["ids"]), 2)
        for failed in (api.Failed("refused", "no", 400),
                       api.Failed("unknown", "502", 502),
                       api.Failed("later", "wait", 429, 3600)):
            await self.asyncSetUp()
            problem = await self.expect(
                supd.Error, "x" * 5000, SENT, failed)
            self.assertIn("1 of 2 messages went out", str(problem))

    async def test_a_group_that_has_moved_is_followed_once(self):
        moved = api.Failed("refused", "upgraded", 400, chat=-100)
        self.assertEqual(await self.send("hi", moved, SENT),
                         {"ids": ["42:9"]})
        await self.api.asked.get()
        self.assertEqual((await self.api.asked.get())[1]["chat_id"], -100)
        await self.expect(supd.NotSent, "hi", moved, moved)

    async def test_a_token_that_ends_on_the_way_is_followed_by_the_next(self):
        old, new = self.api, FakeApi()
        sending = asyncio.ensure_future(self.send("hi"))
        await old.asked.get()
        self.api = new
        await new.answers.put(SENT)
        await old.answers.put(api.Failed("later", "not valid", 401, 5))
        self.assertEqual(await sending, {"ids": ["42:9"]})
        await new.asked.get()
        # Without another one it waits.
        await self.expect(supd.Retry, "hi",
                          api.Failed("later", "not valid", 401, 5))

    async def test_calls_are_bounded(self):
        tasks = [asyncio.ensure_future(self.send("hi")) for _ in range(20)]
        for _ in range(100):
            await asyncio.sleep(0)
        self.assertEqual(self.api.asked.qsize(), outgoing.CALLS_MAX)
        for _ in tasks:
            await self.api.answers.put(SENT)
        await asyncio.gather(*tasks)

    async def test_actions_have_a_receipt(self):
        for answer, ids in (SENT, ["42:9"]), (True, []):
            await self.api.answers.put(answer)
            self.assertEqual(await self.outgoing.act(
                "edit", {"chat": "42", "id": "42:9"}, {"text": "b"}),
                {"ids": ids})
        await self.api.answers.put(api.Failed("refused", "no", 400))
        with self.assertRaises(supd.NotSent):
            await self.outgoing.act("typing", {"chat": "42"}, None)


class FakeDelivery:
    def __init__(self, value, secret="12345678"):
        self.data, self.secret = json.dumps(value).encode(), secret

    def header(self, _):
        return self.secret

    async def body(self):
        return self.data


class Deliveries(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.webhook = webhook.Webhook(FakePlugin())
        fake = FakeApi()
        fake.settings.secret = "12345678"
        self.webhook.expect(fake)
        self.channel = self.webhook.channel = FakeChannel()
        before = webhook.PATIENCE
        self.addCleanup(setattr, webhook, "PATIENCE", before)

    async def status(self, value, **more):
        return (await self.webhook.take(FakeDelivery(value, **more)))[0]

    async def test_the_secret_is_needed(self):
        for secret in None, "", "1234567", "123456789", "\u00e9":
            self.assertEqual(await self.status(update(1), secret=secret), 401)
        self.assertEqual(self.channel.given, [])

    async def test_a_busy_supd_is_503_and_a_repetition_joins(self):
        webhook.PATIENCE = 0.01
        for _ in range(3):
            self.assertEqual(await self.status(update(1)), 503)
        self.assertEqual(len(self.channel.given), 1)
        webhook.PATIENCE = 60
        self.channel.given[0][1].set_result("new")
        self.assertEqual(await self.status(update(1)), 200)

    async def test_deliveries_are_bounded(self):
        webhook.PATIENCE = 0.01
        statuses = await asyncio.gather(*(
            self.status(update(number)) for number in range(1, 301)))
        self.assertEqual(set(statuses), {503})
        self.assertEqual(len(self.channel.given), webhook.DELIVERIES_MAX)

    async def test_a_stopped_channel_is_503(self):
        task = asyncio.ensure_future(self.status(update(1)))
        while not self.channel.given:
            await asyncio.sleep(0)
        self.channel.given[0][1].set_exception(supd.Stopped("stopped"))
        self.assertEqual(await task, 503)
        self.webhook.stop()
        self.assertEqual(await self.status(update(2)), 503)


if __name__ == "__main__":
    unittest.main()

"""raw-calls: calls and events in the name of requests, without any SDK, so that
they may be wrong.

The tool `do` takes a map of what to do:
  as: own | N      in the name of that request; absent: of none
  wait: true       first waits until it is cancelled, or the worker gets USR1
  offer: [NAME…]   offers these tools and `do`, "GET /PATH" as http, and maps as
                   they are; answers with nil or [CODE, TEXT]. times: N sends N
                   such offers at once, every other one without the last name,
                   and answers with the codes of those that were refused
  emit: NAME       emits it; the data is what came of the call
  call: [KIND, NAME, ARGS, DEADLINE_MS]
                   calls it and answers with the result, or with the error as
                   [CODE, TEXT]; in ARGS "$id" is the id of this request
  request: [NAME, PARAMS]
                   makes that request, and answers likewise
With the setting `channel: NAME` it has that channel, too, whose requests are all
answered with nil. On SIGUSR2 it gives the message of the setting `late: [CHANNEL, ID, FILE]`, and
writes the answer into the file.
Other tools: `left` answers with its deadline_ms, `id` with the id of its
request, `hold` when `free` was called, `strays` with the number of answers to
calls that this worker did not make. http answers with the index that it was
sent. The setting `gate: PATH`: is ready when that file exists."""
import os
import signal
import time

import wire

TOOLS = ["do", "left", "id", "hold", "free", "strays"]


def as_registration(name):
    if isinstance(name, dict):
        return name
    if " " in name:
        return {"kind": "http", "method": name.split()[0],
                "path": name.split()[1]}
    return {"kind": "tool", "name": name}


class Worker:
    def __init__(self):
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.calls = {}  # id -> what takes [error, result]
        self.held = []
        self.waiting = {}  # id of a request -> args of `do`
        self.strays = self.last_id = 0
        self.draining, self.open = False, set()
        self.late = None
        signal.signal(signal.SIGUSR1, lambda *_: self.go_on())
        signal.signal(signal.SIGUSR2, lambda *_: self.give_late())

    def go_on(self):
        for number in list(self.waiting):
            self.do(number, self.waiting.pop(number))

    def give_late(self):
        channel, name, path = self.late

        def answered(error, result):
            with open(path, "a", encoding="utf-8") as file:
                file.write("%s\n" % (": ".join(error) if error else result))
        self.request("channel.message", [channel, {
            "id": name, "lane": "room", "at": 1, "from": {"id": "ann"},
            "chat": {"id": "room", "type": "group"}, "text": "late"}],
            answered)

    def request(self, name, params, answered):
        self.last_id += 1
        self.calls[self.last_id] = answered
        self.link.send([0, self.last_id, name, params])

    def answer(self, number, result, error=None):
        self.link.send([1, number, error, result])
        self.open.discard(number)
        self.check_drained()

    def check_drained(self):
        if self.draining and not self.open:
            self.draining = False
            self.link.send([2, "drained", []])

    # ---- the tools ----

    def do(self, number, args):
        name = args.get("as")
        as_it = [] if name is None else [number if name == "own" else name]

        def end(error, result):
            came = error if error else result
            if "emit" in args:
                self.link.send([2, "emit", [args["emit"], came, *as_it]])
            self.answer(number, came)
        if "offer" in args:
            self.offer(args["offer"], args.get("times", 0), end)
        elif "request" in args:
            self.request(*args["request"], end)
        elif "call" in args:
            kind, name, what, deadline_ms = args["call"]
            if isinstance(what, dict) and what.get("as") == "$id":
                what["as"] = number
            self.request("call", [kind, name, what, deadline_ms, *as_it], end)
        else:
            end(None, None)

    def offer(self, names, times, end):
        codes = []

        def ended(error, result):
            codes.append(error and error[0])
            if len(codes) == times:
                end(None, [code for code in codes if code])
        if not times:
            self.request("offer", [[as_registration(name)
                                    for name in names + ["do"]]], end)
            return
        for i in range(times):
            some = names[:len(names) - i % 2]
            self.last_id += 1
            self.calls[self.last_id] = ended
            self.link.send([0, self.last_id, "offer", [[
                as_registration(name) for name in some + ["do"]]]])

    def tool(self, number, name, args, deadline_ms, caller):
        self.open.add(number)
        if name == "do" and args.get("wait"):
            self.waiting[number] = args
        elif name == "do":
            self.do(number, args)
        elif name == "hold":
            self.held.append(number)
        elif name == "free":
            for held in self.held:
                self.answer(held, "freed")
            self.held = []
            self.answer(number, None)
        else:
            self.answer(number, {"left": deadline_ms, "id": number,
                                 "strays": self.strays}[name])

    # ---- the conversation ----

    def on_request(self, number, name, params):
        if name == "tool":
            self.tool(number, *params)
        elif name == "http":
            self.link.send([1, number, None, [
                200, [], str(params[0]).encode(), False]])
        else:
            self.link.send([1, number, None, None])

    def on_notification(self, name, params):
        if name == "cancel" and params[0] in self.waiting:
            self.do(params[0], self.waiting.pop(params[0]))
        elif name == "drain":
            self.draining = True
            self.check_drained()

    def on_response(self, number, error, result):
        answered = self.calls.pop(number, None)
        if answered:
            answered(error, result)
        else:
            self.strays += 1

    def on_hello(self, error, result):
        gate = result[2].get("gate")
        self.late = result[2].get("late")
        while gate and not os.path.exists(gate):
            time.sleep(0.01)
        channel = result[2].get("channel")
        self.request("ready", ["1.0.0", [
            as_registration(name) for name in TOOLS + (
                [{"kind": "channel", "name": channel}] if channel else [])]],
                     lambda error, result: None)

    def run(self):
        self.request("hello", [1, os.environ["SUPD_NONCE"], "raw-calls"],
                     self.on_hello)
        while True:
            for message in self.link.receive():
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 1:
                    self.on_response(*message[1:])
                else:
                    self.on_notification(*message[1:])


Worker().run()

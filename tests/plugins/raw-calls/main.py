"""raw-calls: calls and events in the name of requests, without any SDK, so that
they may be wrong.

The tool `do` takes a map of what to do:
  as: own | N      in the name of that request; absent: of none
  wait: true       first waits until it is cancelled
  emit: NAME       emits it; the data is what came of the call
  call: [KIND, NAME, ARGS, DEADLINE_MS]
                   calls it and answers with the result, or with the error as
                   [CODE, TEXT]; in ARGS "$id" is the id of this request
Other tools: `left` answers with its deadline_ms, `id` with the id of its
request, `hold` when `free` was called, `strays` with the number of answers to
calls that this worker did not make."""
import os

import wire

TOOLS = ["do", "left", "id", "hold", "free", "strays"]


class Worker:
    def __init__(self):
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.calls = {}  # id -> what takes [error, result]
        self.held = []
        self.waiting = {}  # id of a request -> args of `do`
        self.strays = self.last_id = 0
        self.draining, self.open = False, set()

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
        if "call" in args:
            kind, name, what, deadline_ms = args["call"]
            if isinstance(what, dict) and what.get("as") == "$id":
                what["as"] = number
            self.request("call", [kind, name, what, deadline_ms, *as_it], end)
        else:
            end(None, None)

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

    def run(self):
        self.request("hello", [1, os.environ["SUPD_NONCE"], "raw-calls"],
                     lambda error, result: None)
        self.request("ready", ["1.0.0", [{"kind": "tool", "name": name}
                                         for name in TOOLS]],
                     lambda error, result: None)
        while True:
            for message in self.link.receive():
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 1:
                    self.on_response(*message[1:])
                else:
                    self.on_notification(*message[1:])


Worker().run()

"""raw-probe: answers `probe` well and badly, without any SDK. It registers
GET /probe and the tools `asked` and `ghost`, and as many tools more as the
setting `rows` says. The tool `asked` answers with the params of each `probe`
that came before. What the setting `mode` says becomes of `probe`:

  knows    nil
  ghost    not_found for `ghost` alone
  none     not_found for all of them
  mute     not_found for all of them, in the words for unknown requests
  fails    the error `failed` for `ghost`
  silent   no answer for `ghost`
  older    is no request that it knows; `older_bad`: which it answers with
           bad_message; `older_dumb`: without a text"""
import os

import wire

REGISTRATIONS = [{"kind": "http", "method": "GET", "path": "/probe"},
                 {"kind": "tool", "name": "asked"},
                 {"kind": "tool", "name": "ghost"}]
UNKNOWN = {"older_bad": ["bad_message", "unknown request"],
           "older_dumb": ["not_found", ""]}


class Worker:
    def __init__(self):
        self.link = wire.Link(os.environ["SUPD_SOCKET"])
        self.mode, self.asked = "knows", []

    def ready(self, settings):
        self.mode = settings["mode"]
        rows = REGISTRATIONS + [{"kind": "tool", "name": "row%d" % n}
                                for n in range(settings["rows"])]
        self.link.send([0, 2, "ready", ["1.0.0", rows]])

    def probe(self, number, params):
        self.asked.append(params)
        mode, is_ghost = self.mode, params[2] == "ghost"
        error = None
        if mode == "silent" and is_ghost:
            return
        if mode == "none" or mode == "ghost" and is_ghost:
            error = ["not_found", "there is no %s" % params[2]]
        elif mode == "mute":
            error = ["not_found", "no such thing"]
        elif mode == "fails" and is_ghost:
            error = ["failed", "the lookup failed"]
        self.link.send([1, number, error, None])

    def on_request(self, number, method, params):
        if method == "probe" and not self.mode.startswith("older"):
            self.probe(number, params)
        elif method == "tool":
            self.link.send([1, number, None, self.asked])
        elif method == "http":
            self.link.send([1, number, None, [200, [], b"probed\n", False]])
        elif method in ("ping", "health"):
            self.link.send([1, number, None, None])
        elif self.mode == "mute":
            self.link.send([1, number, ["not_found", "no such thing"], None])
        else:
            self.link.send([1, number, UNKNOWN.get(
                self.mode, ["not_found", "no %s here" % method]), None])

    def run(self):
        self.link.send([0, 1, "hello", [1, os.environ["SUPD_NONCE"], "raw"]])
        while True:
            for message in self.link.receive():
                if message[0] == 0:
                    self.on_request(*message[1:])
                elif message[0] == 1 and message[1] == 1:
                    self.ready(message[3][2])
                elif message[0] == 2 and message[1] == "drain":
                    self.link.send([2, "drained", []])


Worker().run()

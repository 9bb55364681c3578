#!/usr/bin/python3
"""botapi: a double of Telegram's Bot API server on 127.0.0.1, for tests and for
trying a bot without an account. It prints "port N" once it listens, and with
--tls "port N tls M": there it speaks TLS.

    botapi.py [--port N] [--seed N] [--tls CERTIFICATE KEY]

The Bot API is at /botTOKEN/METHOD. Beside it, with JSON bodies:

    POST /control/set    turns knobs: knobs.py
    POST /control/say    somebody writes: {"text", "chat", "from", "name",
                         "type", "thread", "reply_to", "edit" (a message_id),
                         "kind", "more": {…}, "bot", "count"}; all may be left
                         out, "%d" in the text is the number of the message
    GET  /control/sent   what the bot sent, in order
    GET  /control/state  counts
"""
import argparse
import http.server
import json
import random
import re
import ssl
import sys
import threading
import time

import hostile
from bot import Bot, Gone, Refused
from delivery import deliver
from knobs import Knobs
from methods import METHODS

CALL = re.compile(r"/bot([0-9]+):([A-Za-z0-9_-]+)/([A-Za-z]+)\Z")


class Double:
    def __init__(self, seed):
        self.knobs = Knobs()
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.bots = {}
        self.sent = []
        self.quiet_until = 0  # when the last 429 has passed

    def bot(self, number):
        with self.lock:
            if number not in self.bots:
                bot = self.bots[number] = Bot(number, self.knobs)
                threading.Thread(target=deliver, args=(bot,),
                                 daemon=True).start()
            return self.bots[number]

    # ---- what a test does ----

    def say(self, fields):
        numbers = []
        for _ in range(fields.get("count", 1)):
            numbers.append(self._say_one(fields))
        return {"message_ids": numbers}

    def _say_one(self, fields):
        bot = self.bot(fields.get("bot", 1001))
        chat = fields.get("chat", 42)
        kind = fields.get("kind", "message")
        number = fields.get("edit") or bot.new_message(chat, "")
        text = fields.get("text")
        message = {
            "message_id": number, "date": int(time.time()),
            "chat": {"id": chat, "type": fields.get("type", "private")},
            "from": {"id": fields.get("from", 7), "is_bot": False,
                     "first_name": fields.get("name", "Ann")}}
        if text is not None:
            message["text"] = text.replace("%d", str(number))
        if fields.get("edit"):
            kind, message["edit_date"] = "edited_message", int(time.time())
        if fields.get("thread"):
            message.update(message_thread_id=fields["thread"],
                           is_topic_message=True)
        if fields.get("reply_to"):
            message["reply_to_message"] = {"message_id": fields["reply_to"],
                                           "from": {"id": bot.number}}
        message.update(fields.get("more", {}))
        bot.add(kind, message)
        return number

    def state(self):
        with self.lock:
            bots = list(self.bots.values())
        found = {"calls": len(self.sent)}
        for bot in bots:
            with bot.lock:
                found[str(bot.number)] = dict(
                    bot.counts, queue=len(bot.queue),
                    held=int(bot.poll is not None),
                    webhook=(bot.webhook or {}).get("url"))
        return found

    # ---- what a bot does ----

    def _check_flood(self, bot):
        now = time.monotonic()
        with self.lock:
            if now < self.quiet_until:
                bot.counts["impatient"] += 1
            elif self.knobs["too_many"] <= 0:
                return
            self.knobs["too_many"] -= 1
            self.quiet_until = now + self.knobs["retry_after"]
        bot.counts["too_many"] += 1
        raise Refused(429, "Too Many Requests: retry after %d"
                      % self.knobs["retry_after"],
                      retry_after=self.knobs["retry_after"])

    def call(self, token, method, fields, connection):
        number = int(token.split(":")[0])
        if token not in self.knobs["tokens"]:
            raise Refused(401, "Unauthorized")
        bot, name = self.bot(number), method.lower()
        bot.counts[method] += 1
        if name == "getme":
            return {"id": number, "is_bot": True, "first_name": "Bot",
                    "username": bot.username}
        if name == "getupdates":
            return bot.get_updates(fields, connection)
        if name in ("setwebhook", "deletewebhook"):
            return bot.set_webhook(fields if name == "setwebhook" else {})
        if name not in METHODS:
            raise Refused(404, "Not Found")
        if name.startswith("send") and name != "sendchataction":
            self._check_flood(bot)
        result = METHODS[name](bot, method, fields)
        with self.lock:
            self.sent.append(dict(
                fields, method=method, token=token,
                result=result if isinstance(result, bool)
                else result["message_id"]))
        return result

    def is_lost(self):
        with self.lock:
            return self.random.random() < self.knobs["bad_gateway"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double = None

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # it has left

    def _body(self):
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        return json.loads(data) if data else {}

    def _answer(self, status, value):
        data = value if isinstance(value, bytes) else json.dumps(
            value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._control(None)

    def do_POST(self):
        fields = self._body()
        match = CALL.match(self.path)
        if not match:
            self._control(fields)
            return
        knobs = self.double.knobs
        if knobs["down"]:
            self.close_connection = True
            return
        way = knobs["hostile"]
        if way and way["method"] == match[3]:
            self.close_connection = True
            hostile.WAYS[way["how"]](self.wfile)
            return
        self._call(match, fields)

    def _call(self, match, fields):
        token, method = "%s:%s" % match.group(1, 2), match[3]
        # A gateway loses a request, or the answer to it.
        is_before, is_after = self.double.is_lost(), self.double.is_lost()
        if is_before:
            self._bad_gateway()
            return
        try:
            result = self.double.call(token, method, fields, self.connection)
            status, value = 200, {"ok": True, "result": result}
        except Refused as problem:
            status, value = problem.code, {
                "ok": False, "error_code": problem.code,
                "description": problem.description}
            if problem.parameters:
                value["parameters"] = problem.parameters
        except Gone:
            self.close_connection = True
            return
        if is_after:
            self._bad_gateway()
        else:
            self._answer(status, value)

    def _bad_gateway(self):
        self.double.bot(1001).counts["bad_gateways"] += 1
        self._answer(502, b"<html><h1>502 Bad Gateway</h1></html>")

    def _control(self, fields):
        double = self.double
        if self.path == "/control/state":
            self._answer(200, double.state())
        elif self.path == "/control/sent":
            self._answer(200, double.sent)
        elif self.path == "/control/say":
            self._answer(200, double.say(fields))
        elif self.path == "/control/set":
            double.knobs.turn(fields)
            self._answer(200, {})
        else:
            self._answer(404, {"ok": False, "error_code": 404,
                               "description": "Not Found"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class TlsServer(Server):
    context = None

    def finish_request(self, request, client_address):
        """On the thread of the connection, so that nobody waits for it."""
        request.settimeout(10)
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            wrapped.settimeout(None)
            super().finish_request(wrapped, client_address)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--tls", nargs=2)
    given = options.parse_args()
    Handler.double = Double(given.seed)
    server = Server(("127.0.0.1", given.port), Handler)
    line = "port %d" % server.server_address[1]
    if given.tls:
        TlsServer.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TlsServer.context.load_cert_chain(*given.tls)
        other = TlsServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        line += " tls %d" % other.server_address[1]
    print(line, flush=True)
    server.serve_forever()


main()

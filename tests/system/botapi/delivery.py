"""delivery: gives updates to a webhook, one at a time and in order, each until
it is answered with 2xx, as the real server does for each chat."""
import http.client
import json
import socket
from urllib.parse import urlsplit

TIMEOUT = 60  # seconds


class ToPath(http.client.HTTPConnection):
    """To a socket in the file system."""

    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self.path)


def _post(knobs, webhook, update):
    """The status; 0: nobody answered."""
    url = urlsplit(webhook["url"])
    connection = ToPath(knobs["deliver_to"]) if knobs["deliver_to"] else \
        http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT)
    headers = {"Content-Type": "application/json"}
    if webhook.get("secret_token"):
        headers["X-Telegram-Bot-Api-Secret-Token"] = webhook["secret_token"]
    try:
        connection.request("POST", url.path, json.dumps(update), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def deliver(bot):
    """Runs for ever."""
    while True:
        with bot.lock:
            while not bot.webhook or not bot.queue:
                bot.changed.wait()
            webhook, update = bot.webhook, bot.queue[0]
        status = _post(bot.knobs, webhook, update)
        with bot.lock:
            bot.counts["deliveries"] += 1
            bot.counts["status_%d" % status] += 1
            if 200 <= status < 300 and bot.queue and \
                    bot.queue[0] is update:
                bot.queue.popleft()
                bot.counts["acknowledged"] += 1
            elif not 200 <= status < 300:
                bot.changed.wait(bot.knobs["webhook_retry"])

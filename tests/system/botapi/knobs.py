"""knobs: what a test makes the double do, beside what the real server does."""

DEFAULTS = {
    "tokens": ["1001:first"],   # that are valid; the number is the bot's
    "second_poll": "replace",   # as the real one; or "refuse" the second
    "linger": 0,      # seconds that a poll whose client left is held ("refuse")
    "bad_gateway": 0,           # how likely an answer is 502
    "down": False,              # connections are closed at once
    "too_many": 0,              # so many of the next messages are 429
    "retry_after": 1,           # with this
    "blocked": [],              # chats that are 403
    "hostile": None,            # {"method", "how"}: see hostile.py
    "deliver_to": None,         # a socket's path, instead of that of the URL
    "webhook_retry": 0.05,      # seconds until a delivery comes again
}


class Knobs(dict):
    def __init__(self):
        super().__init__(DEFAULTS)

    def turn(self, values):
        for key in values:
            if key not in DEFAULTS:
                raise KeyError(key)
        self.update(values)

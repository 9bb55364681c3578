"""settings: what the settings say, read and checked. Knows no gateway."""
import re
from urllib.parse import urlsplit

KEYS = ("token", "name", "api", "ca", "mode", "webhook", "poll_timeout",
        "allowed_updates", "connect_timeout")
# Those that a running worker does not take: the channel is registered by them.
FIXED = ("name", "mode")
UNITS = {"ms": 0.001, "s": 1, "m": 60}
TIME = re.compile(r"([0-9]{1,6})(ms|s|m)\Z")
TOKEN = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{1,128}\Z")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
SECRET = re.compile(r"[A-Za-z0-9_-]{8,256}\Z")
UPDATES = ("message", "edited_message", "channel_post", "edited_channel_post")


class Settings:
    """token, bot (the number in it), name, scheme, host, port, path (of the
    API, without a slash at its end), ca, mode, url, secret, poll_timeout and
    connect_timeout (seconds), allowed_updates."""


def seconds(value, what, most):
    """"10s", or a number of seconds."""
    number = value if type(value) in (int, float) else None
    match = TIME.match(value) if isinstance(value, str) else None
    if match:
        number = int(match[1]) * UNITS[match[2]]
    if number is None or not 0 <= number <= most:
        raise ValueError("%s must be a time such as 10s, at most %ds"
                         % (what, most))
    return float(number)


def _read_api(settings, value, ca):
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        port = parts.port
    except ValueError:
        parts = port = None
    if not parts or parts.scheme not in ("https", "http") or \
            not parts.hostname or parts.query or parts.fragment or \
            parts.username is not None or not value.isascii() or \
            not value.isprintable() or " " in value:
        raise ValueError("api must be a URL such as https://api.telegram.org")
    settings.scheme, settings.host = parts.scheme, parts.hostname
    settings.port = port or (443 if parts.scheme == "https" else 80)
    settings.path = parts.path.rstrip("/")
    if ca is not None and (not isinstance(ca, str) or not ca):
        raise ValueError("ca must be the path of a file")
    settings.ca = ca


def _read_webhook(settings, value):
    if settings.mode == "poll":
        return
    if not isinstance(value, dict) or set(value) != {"url", "secret"}:
        raise ValueError("webhook must be a map of url and secret")
    url, secret = value["url"], value["secret"]
    if not isinstance(url, str) or \
            not re.match(r"https?://[!-~]{1,2000}\Z", url):
        raise ValueError("webhook.url must be the URL at which Telegram finds "
                         "POST /update of this plugin")
    if not isinstance(secret, str) or not SECRET.match(secret):
        raise ValueError("webhook.secret must be 8 to 256 of A-Z a-z 0-9 _ -")
    settings.url, settings.secret = url, secret


def _read_updates(value):
    if not isinstance(value, list) or not value or \
            any(each not in UPDATES for each in value):
        raise ValueError("allowed_updates must be a list of some of %s"
                         % ", ".join(UPDATES))
    return list(value)


def read(values):
    """ValueError: what is wrong."""
    if not isinstance(values, dict):
        raise ValueError("the settings must be a map")
    for key in values:
        if key not in KEYS:
            raise ValueError("unknown setting %s" % key)
    settings = Settings()
    token = values.get("token")
    match = TOKEN.match(token) if isinstance(token, str) else None
    if not match:  # never quoted: it is a secret
        raise ValueError("token must be a bot's token, NUMBER:LETTERS, as "
                         "@BotFather gives it")
    settings.token, settings.bot = token, match[1]
    settings.name = values.get("name", "telegram")
    if not isinstance(settings.name, str) or not NAME.match(settings.name):
        raise ValueError("name must be 1 to 64 of A-Z a-z 0-9 . _ -")
    settings.mode = values.get("mode", "poll")
    if settings.mode not in ("poll", "webhook"):
        raise ValueError("mode must be poll or webhook")
    settings.url = settings.secret = None
    _read_webhook(settings, values.get("webhook"))
    _read_api(settings, values.get("api", "https://api.telegram.org"),
              values.get("ca"))
    settings.poll_timeout = int(seconds(
        values.get("poll_timeout", 50), "poll_timeout", 50))
    settings.connect_timeout = seconds(
        values.get("connect_timeout", 10), "connect_timeout", 60)
    if not settings.connect_timeout:
        raise ValueError("connect_timeout must not be 0")
    settings.allowed_updates = _read_updates(
        values.get("allowed_updates", list(UPDATES)))
    return settings

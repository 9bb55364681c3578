"""settings: the plugin's settings, checked as a whole; nothing is used before
all of it is right."""
import hashlib
import hmac
import re

from words import NAME_MAX, likeness, name_of

ROOMS_MAX, USERS_MAX, ORIGINS_MAX = 64, 1000, 100
ROOM = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
CHANNEL = re.compile(r"[A-Za-z0-9_.:/-]{1,64}\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
ORIGIN = re.compile(r"https?://[^/\s]+\Z")
GUEST = "guest-"  # what ids of visitors without a token begin with
DEFAULTS = {"title": "Chat", "rooms": ["lobby"], "history": 200,
            "text_limit": 2000, "rate": {}, "connections": 500,
            "per_address": 50, "bot": "bot", "users": [], "origins": [],
            "name": "webchat"}


def number(where, value, least, most):
    if isinstance(value, bool) or not isinstance(value, (int, float)) \
            or not least <= value <= most:
        raise ValueError("%s must be a number from %g to %g, not %r"
                         % (where, least, most, value))
    return value


def whole(where, value, least, most):
    if not isinstance(value, int):
        raise ValueError("%s must be a whole number, not %r" % (where, value))
    return number(where, value, least, most)


def items(where, value, most):
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("%s must be a list of at most %d" % (where, most))
    return value


def matching(where, value, pattern, what):
    if not isinstance(value, str) or not pattern.match(value):
        raise ValueError("%s must be %s, not %r" % (where, what, value))
    return value


def shown_name(where, value):
    if not isinstance(value, str) or not value or name_of(value) != value:
        raise ValueError("%s must be a name of 1 to %d characters, not %r"
                         % (where, NAME_MAX, value))
    return value


def known(where, value, keys):
    if not isinstance(value, dict):
        raise ValueError("%s must be a map" % where)
    for key in value:
        if key not in keys:
            raise ValueError("%s has no %r; known are %s"
                             % (where, key, ", ".join(keys)))


class Settings:
    """title, rooms, history, text_limit, burst, per_second, connections,
    per_address, bot, origins, name."""

    def __init__(self, said):
        known("settings", said, DEFAULTS)
        said = dict(DEFAULTS, **said)
        self.title = shown_name("title", said["title"])
        self.rooms = [
            matching("rooms.%d" % i, each, ROOM, "1 to 32 of a-z, 0-9, _ and -")
            for i, each in enumerate(items("rooms", said["rooms"], ROOMS_MAX))]
        if not self.rooms or len(set(self.rooms)) < len(self.rooms):
            raise ValueError("rooms must be different names, at least one")
        self.history = whole("history", said["history"], 1, 1000)
        self.text_limit = whole("text_limit", said["text_limit"], 1, 4000)
        self.connections = whole("connections", said["connections"], 1, 10000)
        self.per_address = whole("per_address", said["per_address"], 1, 10000)
        self.bot = shown_name("bot", said["bot"])
        self.name = matching("name", said["name"], CHANNEL,
                             "the name of a channel")
        self.origins = [
            matching("origins.%d" % i, each, ORIGIN, "http(s)://HOST[:PORT]")
            for i, each in enumerate(
                items("origins", said["origins"], ORIGINS_MAX))]
        self._take_rate(said["rate"])
        self._take_users(items("users", said["users"], USERS_MAX))

    def _take_rate(self, rate):
        known("rate", rate, ("burst", "per_second"))
        self.burst = whole("rate.burst", rate.get("burst", 10), 1, 1000)
        self.per_second = number("rate.per_second",
                                 rate.get("per_second", 2), 0.1, 1000)

    def _take_users(self, users):
        self._users = {}    # digest -> name
        self._reserved = {likeness(self.bot)}
        for i, user in enumerate(users):
            where = "users.%d" % i
            known(where, user, ("name", "sha256"))
            name = shown_name(where + ".name", user.get("name"))
            digest = matching(where + ".sha256", user.get("sha256"), DIGEST,
                              "64 hex digits")
            alike = likeness(name)
            if not alike or alike in self._reserved \
                    or alike.startswith(likeness(GUEST)):
                raise ValueError("%s.name %r is taken, or looks like a name "
                                 "that is" % (where, name))
            if digest in self._users:
                raise ValueError("%s.sha256 is another user's" % where)
            self._reserved.add(alike)
            self._users[digest] = name

    def user(self, digest):
        """The name of the user with the token of this digest, or None."""
        return next((name for other, name in self._users.items()
                     if hmac.compare_digest(other, digest)), None)

    def is_reserved(self, name):
        return likeness(name) in self._reserved


def digest_of(token):
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

"""parts: cuts a text into pieces that Telegram takes as one message each. It
counts as Telegram does, in units of UTF-16, and cuts between paragraphs, lines
or words where it can, never inside a character."""
import unicodedata

TEXT_MAX = 4096
CAPTION_MAX = 1024
ENTITIES_MAX = 100   # of one message; Telegram ignores those beyond
LOOK_BACK = 1024     # units in which a better place to cut is looked for
JOINER = "\u200d"


class Entity:
    """Something about a range of a text: begin and end are indices of Python,
    kind and extra what the Bot API calls it."""
    __slots__ = ("kind", "begin", "end", "extra")

    def __init__(self, kind, begin, end, extra=None):
        self.kind, self.begin, self.end = kind, begin, end
        self.extra = extra or {}


def units(text):
    """The length of a text in Telegram's counting."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _reach(text, begin, limit):
    """The largest end so that text[begin:end] has at most `limit` units."""
    end = min(len(text), begin + limit)
    over = units(text[begin:end]) - limit
    while over > 0:
        end -= 1
        over -= 2 if text[end] > "\uffff" else 1
    return end


def _continues(text, at):
    """Whether the character there belongs to the one before it: an accent, a
    shade or a part of an emoji."""
    char = text[at]
    return (char == JOINER or text[at - 1] == JOINER or
            "\ufe00" <= char <= "\ufe0f" or
            "\U0001f3fb" <= char <= "\U0001f3ff" or
            unicodedata.combining(char) != 0)


def _cut(text, begin, end):
    """The best place to cut at, at most `end`."""
    if end == len(text):
        return end
    lowest = max(begin + 1, end - LOOK_BACK)
    for mark in "\n\n", "\n", " ":
        at = text.rfind(mark, lowest, end + 1)
        if at > begin:
            return at
    for at in range(end, max(begin, end - 32), -1):
        if not _continues(text, at):
            return at
    return end


def _within(entities, text, begin, end):
    """Those of a piece, as the Bot API takes them, cut at its ends; `entities`
    are in the order in which they begin."""
    found = []
    for entity in entities:
        if entity.begin >= end or len(found) == ENTITIES_MAX:
            break
        first, last = max(entity.begin, begin), min(entity.end, end)
        if first < last:
            found.append(dict(entity.extra, type=entity.kind,
                              offset=units(text[begin:first]),
                              length=units(text[first:last])))
    return found


def split(text, entities=(), first=TEXT_MAX):
    """[(text, entities for the Bot API)…]; the first piece has at most `first`
    units. Pieces of blanks alone, which Telegram refuses, are left out."""
    pieces, begin, limit = [], 0, first
    while begin < len(text):
        end = _cut(text, begin, _reach(text, begin, limit))
        if text[begin:end].strip():
            pieces.append((text[begin:end],
                           _within(entities, text, begin, end)))
        while end < len(text) and text[end] in " \n":
            end += 1
        begin, limit = end, TEXT_MAX
    return pieces

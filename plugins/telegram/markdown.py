"""markdown: reads Markdown into plain text and entities of the Bot API, so that
nothing has to be escaped and no text can be malformed: what is not understood
stays as it is. One pass, in time that grows with the length of the text.

Understood: **bold** or __bold__, *italic* or _italic_, ~~struck~~, ||spoiler||,
`code`, ```code blocks```, [links](https://…), # headings and backslashes."""
import re

from parts import Entity

TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<fence>```)"
    r"|(?P<code>`)"
    r"|(?P<mark>\*\*|__|~~|\|\||\*|_)"
    r"|(?P<label>\[)"
    r"|(?P<link>\]\((?P<url>(?:https?://|tg://|mailto:)[^\s()<>]{1,2048})\))"
    r"|(?P<heading>^\#{1,6}[ ]+(?=\S))", re.MULTILINE)
LANGUAGE = re.compile(r"([A-Za-z0-9_+#.-]{1,32})?[ ]*\n")
KINDS = {"**": "bold", "__": "bold", "*": "italic", "_": "italic",
         "~~": "strikethrough", "||": "spoiler"}


class _Reader:
    """The text so far is `pieces`; a mark is a piece that becomes "" once its
    partner is found. Entities name pieces until the end."""

    def __init__(self, text):
        self.text = text
        self.pieces, self.found = [], []
        self.open = {}      # mark -> index of its piece, in order of opening
        self.label = None   # index of the last [
        self.without = set()  # closers that the rest of the text has not

    def put(self, piece):
        self.pieces.append(piece)
        return len(self.pieces) - 1

    def add(self, kind, first, last, extra=None):
        self.found.append((kind, first, last, extra))

    def closer(self, mark, begin):
        """Where the next one is, or -1; looked for in vain only once."""
        if mark in self.without:
            return -1
        at = self.text.find(mark, begin)
        if at < 0:
            self.without.add(mark)
        return at

    def take_code(self, match):
        mark = match.group()
        begin = match.end()
        end = self.closer(mark, begin)
        if end <= begin:
            self.put(mark)
            return begin
        kind, extra = "code", None
        if mark == "```":
            kind = "pre"
            language = LANGUAGE.match(self.text, begin, end)
            if language and language.end() < end:
                begin = language.end()
                extra = language[1] and {"language": language[1]}
        index = self.put(self.text[begin:end])
        self.add(kind, index, index, extra)
        return end + len(mark)

    def take_mark(self, match):
        mark, text = match.group(), self.text
        before = text[match.start() - 1:match.start()]
        after = text[match.end():match.end() + 1]
        may_open = bool(after.strip())
        may_close = bool(before.strip())
        if mark[0] == "_":  # not in snake_case
            may_open = may_open and not before.isalnum()
            may_close = may_close and not after.isalnum()
        index = self.put(mark)
        begin = self.open.get(mark)
        if begin is not None and may_close and begin < index - 1:
            self.pieces[begin] = self.pieces[index] = ""
            self.add(KINDS[mark], begin, index)
            while self.open and mark in self.open:  # and those inside it
                self.open.popitem()
        elif begin is None and may_open:
            self.open[mark] = index

    def take_link(self, match):
        if self.label is None or self.label >= len(self.pieces) - 1:
            self.put(match.group())
            return
        self.pieces[self.label] = ""
        self.add("text_link", self.label, len(self.pieces) - 1,
                 {"url": match["url"]})
        self.label = None

    def take_heading(self, match):
        end = self.text.find("\n", match.end())
        end = len(self.text) if end < 0 else end
        index = self.put(self.text[match.end():end])
        self.add("bold", index, index)
        return end

    def take(self, match):
        """Where to go on."""
        if match["escaped"]:
            self.put(match["escaped"])
        elif match["fence"] or match["code"]:
            return self.take_code(match)
        elif match["mark"]:
            self.take_mark(match)
        elif match["label"]:
            self.label = self.put("[")
        elif match["link"]:
            self.take_link(match)
        else:
            return self.take_heading(match)
        return match.end()

    def read(self):
        at = 0
        while True:
            match = TOKEN.search(self.text, at)
            if not match:
                break
            if match.start() > at:
                self.put(self.text[at:match.start()])
            at = self.take(match)
        self.put(self.text[at:])
        return self.result()

    def result(self):
        offsets, length = [], 0
        for piece in self.pieces:
            offsets.append(length)
            length += len(piece)
        entities = [
            Entity(kind, offsets[first],
                   offsets[last] + len(self.pieces[last]), extra)
            for kind, first, last, extra in self.found]
        entities.sort(key=lambda each: (each.begin, -each.end))
        return "".join(self.pieces), entities


def read(text):
    """(plain text, [Entity…])."""
    return _Reader(text).read()

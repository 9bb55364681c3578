"""words: what names and texts may contain, and when two names look alike."""
import unicodedata

NAME_MAX = 32      # characters
KEPT = ("\n", "\t")  # of the control characters, in texts
# Of names: what is invisible, and symbols, which could be taken for the mark of
# those who have a token.
HARMFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "So", "Sm", "Sk")
JOINERS = ("\u200c", "\u200d")  # some scripts and emoji need them


def name_of(text):
    """A name as it is shown; "" if nothing of it can be."""
    text = unicodedata.normalize("NFKC", text[:8 * NAME_MAX])
    text = "".join(each for each in text
                   if unicodedata.category(each) not in HARMFUL)
    return " ".join(text.split())[:NAME_MAX].strip()


def likeness(name):
    """Names with the same likeness are taken for each other: case, accents,
    spaces and punctuation do not count. Letters of other scripts that look
    alike do."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name))
    return "".join(each for each in text.casefold() if each.isalnum())


def text_of(text):
    """A text without what is invisible or turns what follows around."""
    text = text.replace("\r\n", "\n")
    return "".join(
        each if each in KEPT or each in JOINERS
        or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else "\ufffd" for each in text)

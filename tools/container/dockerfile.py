"""dockerfile: reads a Dockerfile into stages of instructions. It knows what supd's
uses of the language; anything else is an error with its line. Executes nothing."""
import fnmatch
import json
import re
import shlex

KNOWN = {"FROM", "ARG", "ENV", "RUN", "COPY", "USER", "WORKDIR", "VOLUME",
         "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
FLAGS = {"COPY": {"from"},
         "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"}}


class Problem(Exception):
    pass


class Instruction:
    """line: where it begins; flags: of `--name=value`; text: all after them;
    words: the same, split."""

    def __init__(self, line, name, flags, text):
        self.line, self.name, self.flags, self.text = line, name, flags, text

    @property
    def words(self):
        if self.text.startswith("["):
            try:
                return json.loads(self.text)
            except ValueError as e:
                raise Problem("line %d: %s" % (self.line, e)) from e
        return shlex.split(self.text)

    def __str__(self):
        flags = "".join("--%s=%s " % flag for flag in self.flags.items())
        return "%s %s%s" % (self.name, flags, self.text)


class Stage:
    def __init__(self, base, name, instructions):
        self.base, self.name, self.instructions = base, name, instructions


def logical_lines(text):
    """Lines joined with their continuations, without comments."""
    whole, begin = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#") or (not whole and not line.strip()):
            continue
        begin = begin if whole else number
        if line.endswith("\\"):
            whole += line[:-1]
            continue
        yield begin, whole + line
        whole = ""


def instruction(number, line):
    name, _, rest = line.strip().partition(" ")
    name, rest, flags = name.upper(), rest.strip(), {}
    if name not in KNOWN:
        raise Problem("line %d: unknown instruction %s" % (number, name))
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        if match[1] not in FLAGS.get(name, ()):
            raise Problem("line %d: unknown flag --%s" % (number, match[1]))
        flags[match[1]] = match[2]
        rest = rest[match.end():]
    if rest.startswith("--") or not rest:
        raise Problem("line %d: %s: unexpected arguments" % (number, name))
    return Instruction(number, name, flags, re.sub(r"\s+", " ", rest))


def read(path):
    """The stages of a file, in their order."""
    stages = []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for number, line in logical_lines(text):
        one = instruction(number, line)
        if one.name == "FROM":
            words = one.words
            if len(words) not in (1, 3) or words[1:2] not in ([], ["AS"]):
                raise Problem("line %d: FROM IMAGE [AS NAME]" % number)
            name = words[2] if len(words) == 3 else str(len(stages))
            stages.append(Stage(words[0], name, []))
        elif not stages:
            raise Problem("line %d: FROM comes first" % number)
        else:
            stages[-1].instructions.append(one)
    if not stages:
        raise Problem("there is no FROM")
    return stages


def pair(one):
    """NAME and VALUE of an ARG or ENV; the value of an ARG may be missing."""
    name, equals, value = one.text.partition("=")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Problem("line %d: %s NAME=VALUE" % (one.line, one.name))
    return name, " ".join(shlex.split(value)) if equals else ""


def image(stage):
    """What the last stage says about how it is run."""
    found = {"env": {}, "user": "0:0", "workdir": "/", "volumes": [],
             "ports": [], "stopsignal": "SIGTERM", "healthcheck": None,
             "entrypoint": [], "cmd": []}
    lists = {"VOLUME": "volumes", "EXPOSE": "ports"}
    texts = {"USER": "user", "WORKDIR": "workdir", "STOPSIGNAL": "stopsignal"}
    for one in stage.instructions:
        if one.name == "ENV":
            name, value = pair(one)
            found["env"][name] = value
        elif one.name in lists:
            found[lists[one.name]] += one.words
        elif one.name in texts:
            found[texts[one.name]] = one.text
        elif one.name in ("ENTRYPOINT", "CMD"):
            found[one.name.lower()] = one.words
        elif one.name == "HEALTHCHECK":
            kind, _, command = one.text.partition(" ")
            if kind != "CMD":
                raise Problem("line %d: HEALTHCHECK CMD" % one.line)
            check = Instruction(one.line, "CMD", {}, command)
            found["healthcheck"] = dict(one.flags, command=check.words)
    return found


class Ignored:
    """A .dockerignore: patterns of paths, the last that matches counts."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
        self.patterns = [s for s in lines if s and not s.startswith("#")]

    def has(self, path):
        found = False
        for pattern in self.patterns:
            plain = pattern.lstrip("!")
            if fnmatch.fnmatchcase(path, plain) or \
                    fnmatch.fnmatchcase(path, plain + "/*"):
                found = plain == pattern
        return found

    def has_all_of(self, folder):
        """Whether nothing below the folder is excepted."""
        return self.has(folder) and not any(
            pattern.startswith("!" + folder + "/")
            for pattern in self.patterns)

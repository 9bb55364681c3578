"""books: what the tests of the books share: the fenced blocks of a book, the
plugins of worker/README.md in a folder, and a supd that runs there."""
import os
import re
import signal
import socket
import subprocess
import sys

DEADLINE = 60  # seconds, for each step
FILES = {"/* greet.c */": ("greet", "greet.c"), "# main.py": (
    "greet-py", "main.py"), "// main.js": ("greet-js", "main.js")}
SITE_ADDRESS = "127.0.0.1:8081"  # as the books have it


def read(source, book):
    with open(os.path.join(source, book), encoding="utf-8") as text:
        return text.read()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)


def blocks(text, language=r"\w*"):
    """The contents of the fenced blocks."""
    return re.findall(r"^ *```%s\n(.*?)^ *```$" % language, text, re.M | re.S)


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


def unpack_site(source, folder, address):
    """The three plugins of worker/README.md, built, and their configuration;
    a manifest belongs to the program before it."""
    package = None
    for text in blocks(read(source, "worker/README.md")):
        first = text.split("\n", 1)[0]
        if first in FILES:
            package, name = FILES[first]
            write("%s/plugins/%s/%s" % (folder, package, name), text)
        elif first == "# plugin.yaml" and package:
            write("%s/plugins/%s/plugin.yaml" % (folder, package), text)
            package = None
        elif "  gruss:" in text:
            write(folder + "/supd.yaml", text.replace(SITE_ADDRESS, address))
    subprocess.run(
        ["cc", "-std=gnu17", "-Wall", "-Wextra", "-Wno-unused-parameter",
         "-Werror", "-shared", "-fPIC", "-I", source + "/worker", "-o",
         folder + "/plugins/greet/greet.so",
         folder + "/plugins/greet/greet.c"], check=True)


class Supd:
    """One that runs in FOLDER until the end of a with block."""

    def __init__(self, build, folder, config, runtime):
        self.run = subprocess.Popen(
            [build + "/supervisor/supd", "-c", os.path.join(folder, config),
             "--runtime-dir", os.path.join(folder, runtime),
             "--state-dir", folder + "/state"],
            cwd=folder, env=dict(os.environ, PWD=folder),
            stderr=subprocess.PIPE, encoding="utf-8")
        log = ""
        signal.alarm(DEADLINE)
        for line in self.run.stderr:
            log += line
            if " ready in " in line:
                signal.alarm(0)
                return
        print("Bail out! supd did not get ready:\n# %s" % log.replace(
            "\n", "\n# "))
        sys.exit(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run.send_signal(signal.SIGTERM)
        signal.alarm(DEADLINE)
        self.run.stderr.read()
        self.status = self.run.wait()
        signal.alarm(0)

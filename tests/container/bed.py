"""bed: what the cases of run share: their list, what each is given, and threads
that ask supd meanwhile."""
import threading
import time

from container import Container, Failed

LISTEN = 'listen: [{http: "0.0.0.0:8080"}]\n'
DIRS = "plugin_dirs: [/usr/lib/supd/plugins, /mnt/plugins]\n"
HELLO = LISTEN + "plugins: {hello: {}}\n"
FAULT = LISTEN + DIRS + "plugins: {hello: {}, fault: {%s}}\n"
cases = []


def case(function):
    cases.append(function)
    return function


def expect(right, text="", *more):
    if not right:
        raise Failed(text % more if more else text or "not so")


class Bed:
    """What a case gets: the image, a folder of its own, and the build."""

    def __init__(self, image, folder, build):
        self.image, self.folder, self.build = image, folder, build
        self.all = []

    def container(self, config, **options):
        options.setdefault("binds", {})
        c = Container(self.image, self.folder, **options)
        if config is not None:
            c.configure(config)
        self.all.append(c)
        return c

    def with_fault(self, more="", **options):
        """hello, and the plugin of the tests that misbehaves."""
        options["binds"] = {"/mnt": [self.build + "/tests", True]}
        return self.container(FAULT % more, **options)


# ---- threads that ask ----

class Asking(threading.Thread):
    """Sends one request after the other until end() is called."""

    def __init__(self, c, path):
        super().__init__()
        self.c, self.path, self.over = c, path, False
        self.answers, self.slowest_s = {}, 0
        self.start()

    def run(self):
        connection = self.c.connect()
        while not self.over:
            begun = time.monotonic()
            connection.request("GET", self.path)
            answer = connection.getresponse()
            answer.read()
            took = time.monotonic() - begun
            self.slowest_s = max(self.slowest_s, took)
            self.answers[answer.status] = \
                self.answers.get(answer.status, 0) + 1

    def end(self):
        self.over = True
        self.join()
        return self.answers


class Request(threading.Thread):
    def __init__(self, c, path):
        super().__init__()
        self.c, self.path, self.answer = c, path, None
        self.start()

    def run(self):
        try:
            self.answer = self.c.get(self.path)
        except OSError as e:
            self.answer = (0, str(e))


class Executing(threading.Thread):
    def __init__(self, c, *command):
        super().__init__()
        self.c, self.command, self.result = c, command, None
        self.start()

    def run(self):
        self.result = self.c.execute(*self.command, deadline_s=300)

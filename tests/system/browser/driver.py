"""driver: a headless Chromium by WebDriver (W3C), through Debian's
chromedriver. Waits for what a page shows; never sleeps a fixed time for it."""
import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

DEADLINE_S = 60


class Browser:
    def __init__(self, port):
        self.base = "http://127.0.0.1:%d" % port
        self.folder = tempfile.TemporaryDirectory(prefix="supd-browser-")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=%d" % port],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.folder.name})
        self.session = None
        try:
            self.until(self.is_ready, "chromedriver starts")
            self.open_session()
        except BaseException:
            self.close()
            raise

    def is_ready(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except urllib.error.URLError:
            return False

    def open_session(self):
        options = {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--window-size=1400,1500",
                     "--user-data-dir=" + self.folder.name + "/profile"],
        }
        session = self.ask("POST", "/session", {"capabilities": {
            "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + session["sessionId"]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def go(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *args):
        """The value of a script's `return`."""
        return self.ask("POST", self.session + "/execute/sync",
                        {"script": script, "args": list(args)})

    def text(self, selector):
        """What an element shows; "" if there is none."""
        return self.run(
            "return document.querySelector(arguments[0])?.innerText ?? ''",
            selector)

    def click(self, selector):
        assert self.run(
            "const e = document.querySelector(arguments[0]); e?.click();"
            "return !!e", selector), "no " + selector

    def write(self, selector, text):
        self.run("const e = document.querySelector(arguments[0]);"
                 "e.value = arguments[1]; e.dispatchEvent(new Event('input'));"
                 "e.dispatchEvent(new Event('change'))", selector, text)

    def until(self, is_so, what):
        end = time.monotonic() + DEADLINE_S
        while True:
            value = is_so()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError("never: " + what)
            time.sleep(0.05)

    def until_text(self, selector, text):
        self.until(lambda: text in self.text(selector),
                   "%r in %s" % (text, selector))

    def complaints(self):
        """What the console has."""
        return [row["message"] for row in self.ask(
            "POST", self.session + "/se/log", {"type": "browser"})]

    def picture(self, path):
        with open(path, "wb") as out:
            out.write(base64.b64decode(
                self.ask("GET", self.session + "/screenshot")))

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.folder.cleanup()

"""load.py PORT STOP: sends requests to supd in several ways at once until the
file STOP is there, and prints the outcome as JSON.

fresh: GET /hello, each on a connection of its own.
hooks: POST /hooks/test, likewise, each delivery with an id of its own, once.
kept: GET /hello on one connection for as long as that lasts. A request that
      fails there crossed with the end of an idle connection.
"""
import http.client
import json
import os
import sys
import threading
import time

PORT, STOP = int(sys.argv[1]), sys.argv[2]
TIMEOUT = 60
stopped = threading.Event()


class Count:
    def __init__(self):
        self.ok = 0
        self.failed = {}
        self.longest_ms = 0
        self.away_ms = 0
        self.since = None
        self.lock = threading.Lock()

    def add(self, outcome, began):
        now = time.monotonic()
        with self.lock:
            self.longest_ms = max(self.longest_ms, round((now - began) * 1e3))
            if outcome == 200:
                self.ok += 1
                if self.since:
                    self.away_ms = round((now - self.since) * 1e3)
                    self.since = None
            else:
                name = str(outcome)
                self.failed[name] = self.failed.get(name, 0) + 1
                self.since = self.since or now

    def result(self):
        return {"ok": self.ok, "failed": self.failed,
                "longestMs": self.longest_ms, "awayMs": self.away_ms}


def connect():
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT)


def ask(connection, count, *request):
    began = time.monotonic()
    try:
        connection.request(*request)
        answer = connection.getresponse()
        answer.read()
        count.add(answer.status, began)
        return answer.status == 200
    except (OSError, http.client.HTTPException) as error:
        count.add(type(error).__name__, began)
        return False


def ask_afresh(count):
    while not stopped.wait(0.005):
        connection = connect()
        ask(connection, count, "GET", "/hello")
        connection.close()


def deliver(count):
    number = 0
    while not stopped.wait(0.005):
        number += 1
        connection = connect()
        ask(connection, count, "POST", "/hooks/test", b'{"n": %d}' % number, {
            "Content-Type": "application/json",
            "X-Delivery-Id": "%d-%d" % (threading.get_ident(), number)})
        connection.close()


def keep(count):
    connection = connect()
    while not stopped.wait(0.005):
        if not ask(connection, count, "GET", "/hello"):
            connection.close()
            connection = connect()


def main():
    counts = {name: Count() for name in ("fresh", "hooks", "kept")}
    threads = [threading.Thread(target=act, args=(counts[name],))
               for name, act, many in (("fresh", ask_afresh, 3),
                                       ("hooks", deliver, 2), ("kept", keep, 1))
               for _ in range(many)]
    for thread in threads:
        thread.start()
    while not os.path.exists(STOP):
        stopped.wait(0.05)
    stopped.set()
    for thread in threads:
        thread.join()
    print(json.dumps({name: count.result() for name, count in counts.items()}))


main()

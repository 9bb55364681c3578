#!/usr/bin/python3
"""collector: a double of an OpenTelemetry collector on 127.0.0.1, for tests. It
prints "port N" once it listens.

    collector.py [--port N]

It takes OTLP/HTTP in JSON at /v1/traces, /v1/metrics and /v1/logs, checks each
request strictly (otlp.py) and answers one that is wrong with 400. Besides:

    POST /control/set     {"mode": ok | status | garbage | close | hang,
                          "status", "retry_after" (seconds), "delay" (seconds),
                          "reject" (spans of a partial success)}
    POST /control/forget  forgets what came
    GET  /control/state   counts, the first mistakes, and the spans whose parent
                          did not come
    GET  /control/spans   the spans, flat; likewise lines and metrics (the last
                          of each name)
    GET  /control/headers those of the last request
"""
import argparse
import http.server
import json
import socket
import struct
import sys
import threading
import time

import otlp

READERS = {"/v1/traces": ("spans", otlp.spans),
           "/v1/metrics": ("metrics", otlp.metrics),
           "/v1/logs": ("lines", otlp.lines)}


class Double:
    def __init__(self):
        self.lock = threading.Lock()
        self.knobs = {"mode": "ok", "status": 503, "retry_after": None,
                      "delay": 0, "reject": 0}
        self.forget()

    def forget(self):
        self.spans, self.lines, self.metrics = [], [], {}
        self.wrong, self.headers = [], {}
        self.requests = self.refused = self.doubles = 0
        self.times = []
        self.seen = set()

    def take(self, path, headers, body):
        """None, or what is wrong."""
        kind, read = READERS[path]
        if headers.get("Content-Type") != "application/json":
            return "the content type is %s" % headers.get("Content-Type")
        try:
            items = read(json.loads(body.decode("utf-8")))
        except (ValueError, otlp.Wrong) as error:
            return str(error)
        for item in items:
            if kind == "metrics":
                self.metrics[item["name"]] = item
            elif kind == "spans":
                self.doubles += item["span"] in self.seen
                self.seen.add(item["span"])
                self.spans.append(item)
            else:
                self.lines.append(item)
        return None

    def orphans(self):
        known = {(s["trace"], s["span"]) for s in self.spans}
        return [s["name"] for s in self.spans
                if s["parent"] and (s["trace"], s["parent"]) not in known]

    def state(self):
        return {"requests": self.requests, "refused": self.refused,
                "spans": len(self.spans), "doubles": self.doubles,
                "lines": len(self.lines), "metrics": len(self.metrics),
                "times": self.times[-100:], "wrong": self.wrong[:5],
                "wrongs": len(self.wrong), "orphans": self.orphans()[:20]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double = None

    def log_message(self, *args):
        pass

    def answer(self, status, value, fields=()):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in fields:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self):
        d = self.double
        with d.lock:
            what = {"/control/state": d.state,
                    "/control/spans": lambda: d.spans,
                    "/control/lines": lambda: d.lines,
                    "/control/metrics": lambda: d.metrics,
                    "/control/headers": lambda: d.headers}.get(self.path)
            value = what() if what else None
            text = json.dumps(value).encode()
        self.answer(200 if what else 404, text)

    def do_POST(self):
        d, body = self.double, self.body()
        if self.path == "/control/set":
            with d.lock:
                d.knobs.update(json.loads(body))
            self.answer(200, {})
        elif self.path == "/control/forget":
            with d.lock:
                d.forget()
            self.answer(200, {})
        elif self.path in READERS:
            self.export(body)
        else:
            self.answer(404, {})

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def export(self, body):
        d = self.double
        with d.lock:
            knobs = dict(d.knobs)
            d.requests += 1
            d.times.append(time.time())
            d.headers = {k.lower(): v for k, v in self.headers.items()}
        if knobs["delay"]:
            time.sleep(knobs["delay"])
        if knobs["mode"] == "hang":
            time.sleep(3600)
        if knobs["mode"] == "close":
            self.reset()
        elif knobs["mode"] == "garbage":
            self.wfile.write(b"\x00\xff this is no HTTP\r\n\r\n" * 100)
            self.close_connection = True
        elif knobs["mode"] == "status":
            with d.lock:
                d.refused += 1
            fields = [("Retry-After", str(knobs["retry_after"]))] \
                if knobs["retry_after"] is not None else []
            self.answer(knobs["status"], {"message": "no"}, fields)
        else:
            self.take(body, knobs)

    def take(self, body, knobs):
        d = self.double
        with d.lock:
            wrong = d.take(self.path, self.headers, body)
            if wrong:
                d.wrong.append(wrong)
        if wrong:
            self.answer(400, {"message": wrong})
        elif knobs["reject"] and self.path == "/v1/traces":
            self.answer(200, {"partialSuccess": {
                "rejectedSpans": str(knobs["reject"]),
                "errorMessage": "some"}})
        else:
            self.answer(200, {})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    Handler.double = Double()
    server = Server(("127.0.0.1", arguments.port), Handler)
    print("port %d" % server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())

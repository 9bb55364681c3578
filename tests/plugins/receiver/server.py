"""Takes POST requests, for tests of what sends them: server.py FOLDER [PEM].

The port is in FOLDER/port. Each request becomes a line of FOLDER/got, before it
is answered. What it is answered is the first line of FOLDER/plan, which goes,
or 200 if there is none. It ends at the end of its stdin:

    STATUS [NAME:VALUE]     with that header
    hang                    read, and never answered
    close                   closed without an answer
    half                    200 with a part of its body, and no end of it
"""
import http.server
import json
import os
import ssl
import sys
import threading

folder = sys.argv[1]
lock = threading.Lock()
for_ever = threading.Event()


def end_with_the_test():
    sys.stdin.read()
    os._exit(0)


def next_answer():
    path = folder + "/plan"
    with lock:
        try:
            with open(path, encoding="utf-8") as plan:
                lines = plan.read().splitlines()
        except FileNotFoundError:
            return "200"
        if not lines:
            return "200"
        with open(path + ".new", "w", encoding="utf-8") as plan:
            plan.write("".join(line + "\n" for line in lines[1:]))
        os.rename(path + ".new", path)
        return lines[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = next_answer()
        line = json.dumps({
            "path": self.path, "body": body.decode(), "answer": answer,
            "headers": {k.lower(): v for k, v in self.headers.items()}})
        with lock, open(folder + "/got", "a", encoding="utf-8") as got:
            got.write(line + "\n")
        self.answer(answer)

    def answer(self, answer):
        if answer == "hang":
            for_ever.wait()
        if answer in ("hang", "close"):
            self.close_connection = True
            return
        if answer == "half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            for_ever.wait()
        status, _, header = answer.partition(" ")
        self.send_response(int(status))
        if header:
            self.send_header(*header.split(":", 1))
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass  # a client that gave up, or did not like the certificate


threading.Thread(target=end_with_the_test, daemon=True).start()
server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False)
with open(folder + "/port.new", "w", encoding="utf-8") as file:
    file.write("%d\n" % server.server_address[1])
os.rename(folder + "/port.new", folder + "/port")
server.serve_forever()

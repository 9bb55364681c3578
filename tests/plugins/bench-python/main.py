"""bench-python: an answer that costs nothing, for measuring the Python SDK
beside tools/bench/bare_python.py."""
import supd

plugin = supd.Plugin("bench-python", "1.0.0")
ANSWER = b"v=1;" + b"." * 123 + b"\n"


@plugin.http("GET", "/hello")
def hello(_request):
    return ANSWER


plugin.run()

"""bare_python: the same work as the package bench-python on asyncio streams
and nothing else: what a Python program alone reaches. One argument: the port."""
import asyncio
import sys

ANSWER = b"v=1;" + b"." * 123 + b"\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" \
    b"Content-Length: %d\r\n\r\n" % len(ANSWER)


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
            if (method, path) != (b"GET", b"/hello"):
                break
            writer.write(HEAD + ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())

"""client: python3-websockets against the scenario: client.py SOCKET SUPCTL
CONTROL. Exits with 0 if all is as it should be, with 77 without the module."""
import asyncio
import subprocess
import sys

try:
    import websockets
except ImportError:
    sys.exit(77)


def expect(seen, wanted):
    if seen != wanted:
        sys.exit("%r came, not %r" % (seen, wanted))


async def reload(supctl, control):
    process = await asyncio.create_subprocess_exec(
        supctl, "-s", control, "reload", "it", stdout=subprocess.DEVNULL)
    expect(await process.wait(), 0)


async def main(path, supctl, control):
    uri = "ws://localhost/talk/room"
    async with websockets.unix_connect(
            path, uri, subprotocols=["other", "scenario"]) as ws:
        expect(ws.subprotocol, "scenario")
        expect(ws.response_headers["X-Room"], "room")
        for message in ("text", b"\0\xff", "", "h\u00f6", "x" * 90000):
            await ws.send(message)
            expect(await ws.recv(), message)
        await ws.send(["a", "bc", "def"])
        expect(await ws.recv(), "abcdef")
        await asyncio.wait_for(await ws.ping(b"here"), 30)
        await ws.send("count")
        expect(await ws.recv(), "7 in 1")
        await reload(supctl, control)
        expect(await ws.recv(), "moved move 7")
        await ws.send("close")
        await ws.wait_closed()
        expect((ws.close_code, ws.close_reason), (4000, "as asked"))
    async with websockets.unix_connect(path, uri) as ws:
        await ws.close(4001, "bye")
        expect(ws.close_code, 4001)


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 120))

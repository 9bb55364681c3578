"""echo: gives back what it is sent, piece by piece as it comes, and ticks."""
import supd

plugin = supd.Plugin("echo", "1.0.0")
BODY_MAX = 1 << 40  # bytes; nothing is kept


def check_interval(settings):
    interval = settings.get("interval")
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) \
            or not 0.01 <= interval <= 3600:
        raise ValueError("interval must be 0.01 to 3600 seconds, not %r"
                         % (interval,))


@plugin.on_start
async def start():
    check_interval(plugin.settings)


@plugin.on_configure
async def configure(settings):
    check_interval(settings)


@plugin.http("GET", "/echo")
async def usage(req):
    return "POST something here, and it comes back.\n"


@plugin.http("POST", "/echo", body_limit=BODY_MAX)
async def echo(req):
    content_type = req.header("content-type", "application/octet-stream")
    return supd.Response(200, {"Content-Type": content_type}, req.stream())


@plugin.http("GET", "/ticks")
async def ticks(req):
    async def forever():
        number = 0
        while True:
            yield supd.Event({"tick": number, "generation": plugin.generation},
                             id=number)
            number += 1
            await supd.sleep(plugin.setting("interval", 1.0))
    return supd.events(forever())


@plugin.tool("echo", "Gives its arguments back.",
             schema={"description": "anything"})
async def echo_tool(args):
    return args


@plugin.command("echo", help="Gives its text back.")
async def echo_command(text):
    return text


plugin.run()

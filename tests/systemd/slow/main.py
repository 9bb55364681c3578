"""slow: takes the time that a request names, and starts a process that nobody
ends. The time stands for work; no test waits for it."""
import subprocess

import supd

plugin = supd.Plugin("slow", "1.0.0")


@plugin.on_start
async def start():
    await supd.sleep(plugin.setting("start", 0))


@plugin.http("GET", "/slow/{seconds}")
async def slow(req):
    await supd.sleep(float(req.params["seconds"]))
    return "done\n"


@plugin.http("POST", "/child")
async def child(req):
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return "%d\n" % process.pid


plugin.run()

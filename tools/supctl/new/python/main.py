"""@NAME@: a plugin for supd. The reference is supd.py."""
import supd

plugin = supd.Plugin("@NAME@", "1.0.0")


@plugin.http("GET", "/@NAME@")
async def greet(req):
    return {"greeting": plugin.setting("greeting", "hello"),
            "generation": plugin.generation}


@plugin.tool("@NAME@", "Greets somebody.", schema={
    "type": "object", "properties": {"name": {"type": "string"}}})
async def greet_somebody(args):
    return "%s, %s" % (plugin.setting("greeting", "hello"),
                       (args or {}).get("name", "world"))


plugin.run()

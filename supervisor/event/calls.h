/* calls: calls of tools and commands as events: tool.before, tool.after and
 * command.before, which are made only while a hook or a session wants them.
 * They pass through filters first; observers get the outcome.
 *
 * The data of tool.before and command.before: {"name", "args" (a command's: a
 * string), "plugin": who serves it, "caller"}. For observers also, if it did
 * not go on: "stopped": {"plugin", "hook", "reason"} or "claimed": {"plugin",
 * "hook"}. tool.after has "result", or "error": {"code", "text"}, too. A filter
 * may change args, result and error. */
#pragma once

#include "supervisor/event/events.h"

/* Whether hooks or the listener want these events has changed. */
void calls_follow_hooks(struct events *e);

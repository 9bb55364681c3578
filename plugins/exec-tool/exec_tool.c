/* exec-tool: scripts as tools. Arguments come on stdin as JSON and never on
 * the command line; what it writes to stdout is the result. Each run has a
 * time limit, an output limit and ends with its request. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sup/plugin.h>
#include <sup/shebang.h>

#include "run.h"

static struct tools tools;

static void
fail_start(struct sup_req *req, const char *program, int error)
{
	const char *why = strerror(error);
	char room[400];
	const char *defect =
		error == ENOENT || error == EACCES
			? shebang_defect(program, room, sizeof(room))
			: NULL;

	sup_fail(req, SUP_FAILED, "cannot start %s: %s", program,
		defect ? defect : why);
}

static void
call(struct sup_req *req, void *user)
{
	struct tool *t = user;

	if (t->running >= t->concurrency ||
		tools.running >= tools.concurrency) {
		sup_fail(req, SUP_BUSY, "%s is busy: %lu run", t->name,
			(unsigned long)(t->running >= t->concurrency
						? t->running
						: tools.running));
		return;
	}
	if (run_start(req, &tools, t))
		fail_start(req, t->command[0], errno);
}

static int
init(struct sup *p)
{
	char why[256];

	if (tools_read(&tools, sup_settings_json(p), why)) {
		fprintf(stderr, "exec-tool: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	for (size_t i = 0; i < tools.count; i++) {
		struct tool *t = &tools.items[i];
		const struct sup_offer offer = {.kind = SUP_TOOL,
			.name = t->name,
			.description = t->description,
			.schema = t->schema,
			.skip_validation = t->skip_validation,
			.handler = call,
			.user = t};

		if (sup_register(p, &offer))
			return SUP_FAILED_TO_START;
	}
	return SUP_STARTED;
}

SUP_PLUGIN("exec-tool", "1.0.0", init)

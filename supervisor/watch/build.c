/* build: runs `watch.run` of a package in its folder. Its output is in the
 * plugin's log, and the end of it in the event. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/gateway/news.h"
#include "supervisor/plugin/output.h"
#include "supervisor/watch/parts.h"

#define ENV "/usr/bin/env" /* finds the program by PATH */

static struct watched *
watched_of(struct child *c)
{
	return container_of(c, struct watched, build.child);
}

/* The end of the output says what went wrong. */
static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct buffer *said = &watched_of(c)->build.said;

	(void)stream;
	buffer_append(said, bytes.at, bytes.length);
	if (buffer_length(said) > WATCH_OUTPUT_MAX)
		buffer_consume(said, buffer_length(said) - WATCH_OUTPUT_MAX);
}

/* Line by line to the plugin's log, and all of it as a value. */
static json_t *
take_output(struct watched *d, struct plugin *p)
{
	struct buffer *said = &d->build.said;
	char *text, *line, *rest;
	json_t *value;

	buffer_append_byte(said, '\0');
	text = memory_copy_text((const char *)buffer_bytes(said));
	value = value_text(text);
	for (line = strtok_r(text, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest))
		output_add(p->output, 0, 0, "build",
			(struct bytes){line, strlen(line)});
	free(text);
	buffer_finish(said);
	buffer_init(said);
	return value;
}

static void
on_end(struct child *c)
{
	struct watched *d = watched_of(c);
	struct plugin *p = watched_plugin(d);
	struct wheel *wheel = d->watch->gateway->workers.wheel;
	char how[80] = "";
	int code = -1;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	wheel_clear(wheel, &d->build.deadline);
	if (d->build.is_late)
		text_format(how, sizeof(how), "killed, as it took too long");
	if (p) {
		json_t *output = take_output(d, p);

		if (code)
			log_warn("%s: the build failed (%s); the plugin is not "
				 "reloaded",
				p->id, how);
		news_plugin(p, code ? "watch.build_failed" : "watch.built",
			json_pack("{s:s, s:o}", "how", how, "output", output));
	}
	round_built(d, p && !code);
}

static const struct child_ops child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

static void
build_is_due(struct wheel_timer *timer)
{
	struct watched *d = container_of(timer, struct watched, build.deadline);

	d->build.is_late = true;
	child_kill_group(&d->build.child);
}

static char *
variable(const char *name)
{
	const char *value = getenv(name);

	return memory_format("%s=%s", name, value ? value : "");
}

int
build_begin(struct watched *d, struct plugin *p, const struct manifest_watch *m,
	struct error *err)
{
	struct workers *workers = &d->watch->gateway->workers;
	const char **argv =
		memory_alloc((m->run.count + 3) * sizeof(const char *));
	char *path = variable("PATH"), *home = variable("HOME");
	const char *const env[] = {path, home, NULL};
	struct child_start start = {.argv = argv, .env = env, .dir = p->source};
	int result;

	argv[0] = ENV;
	argv[1] = "--";
	for (uint32_t i = 0; i < m->run.count; i++)
		argv[i + 2] = m->run.items[i];
	result = child_start(
		&d->build.child, &workers->children, &start, &child_ops, err);
	free(argv);
	free(path);
	free(home);
	if (result < 0)
		return -1;
	d->build.is_late = false;
	d->build.deadline.fire = build_is_due;
	wheel_set(workers->wheel, &d->build.deadline,
		clock_ms() + m->run_timeout_ms);
	return 0;
}

void
build_abandon(struct watched *d)
{
	wheel_clear(d->watch->gateway->workers.wheel, &d->build.deadline);
	if (!d->build.child.pid)
		return;
	if (!child_reap_within(&d->build.child, WATCH_REAP_MS))
		log_warn("%s: the build does not end; leaving it", d->key);
}

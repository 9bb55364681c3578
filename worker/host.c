/* host: loads the plugin, keeps its offers and counts the answers that it owes.
 * serve.c has the messages, request.c the requests. */
#include "worker/host.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "worker/request.h"
#include "worker/serve.h"

#define OLDEST_ABI 1
#define BODY_MAX_BYTES                                                         \
	(10ull * 1024 * 1024) /* until hello's answer names a limit */

void
host_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("sup-worker: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

_Noreturn void
host_abort(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("sup-worker: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	abort();
}

static const struct sup_plugin *
host_load(const char *file, struct error *err)
{
	char path[PATH_MAX];
	const struct sup_plugin *descriptor;
	void *object;

	if (!realpath(file, path)) {
		error_set(err, "the package has no %s", file);
		return NULL;
	}
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		error_set(err, "cannot load %s: %s", file, dlerror());
		return NULL;
	}
	descriptor = dlsym(object, "sup_plugin");
	if (!descriptor)
		error_set(err, "%s does not export sup_plugin; use SUP_PLUGIN",
			file);
	else if (descriptor->abi < OLDEST_ABI || descriptor->abi > SUP_ABI)
		error_set(err,
			"%s is built for ABI %u; this supd supports %d to %d",
			file, descriptor->abi, OLDEST_ABI, SUP_ABI);
	else if (!descriptor->version || !descriptor->init)
		error_set(err, "%s has no version or no init", file);
	else
		return descriptor;
	return NULL;
}

static void
host_init(struct sup *p)
{
	p->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	p->body_max_bytes = BODY_MAX_BYTES;
	p->credit_bytes = WIRE_CREDIT_BYTES;
	list_init(&p->free_requests);
	for (size_t i = 0; i < REQUEST_BUCKETS; i++)
		list_init(&p->requests[i]), list_init(&p->conns[i]);
	list_init(&p->calls);
	list_init(&p->channels);
	body_feed_init(p);
	post_init(p);
	p->set = memory_alloc(sizeof(*p->set));
	p->set->references = 1;
}

static const struct link_ops *
host_link(struct error *err)
{
	const char *name = getenv(LAUNCH_LINK);

	if (!name || !strcmp(name, link_nng.name))
		return &link_nng;
	if (!strcmp(name, link_native.name))
		return &link_native;
	error_set(err, "%s must be nng or native, not %s", LAUNCH_LINK, name);
	return NULL;
}

int
host_run(const char *file)
{
	static struct sup plugin; /* for the life of the process */
	const struct link_ops *link;
	struct error err;

	setvbuf(stdout, NULL, _IOLBF, 0); /* supd reads lines */
	link = host_link(&err);
	if (!link) {
		host_say("%s", err.text);
		return LAUNCH_EXIT_USAGE;
	}
	unsetenv(LAUNCH_LINK);
	plugin.descriptor = host_load(file, &err);
	if (!plugin.descriptor) {
		host_say("%s", err.text);
		return LAUNCH_EXIT_LOAD;
	}
	host_init(&plugin);
	plugin.link = link->open(plugin.loop, getenv(LAUNCH_SOCKET),
		&serve_events, &plugin, &err);
	if (!plugin.link) {
		host_say("%s", err.text);
		return err.shortage ? LAUNCH_EXIT_SHORT : LAUNCH_EXIT_LINK;
	}
	serve_begin(&plugin);
	ev_run(plugin.loop, 0);
	return LAUNCH_EXIT_DONE;
}

/* ---- answers that are owed ---- */

void
host_check_drained(struct sup *p)
{
	msgpack_packer *out;

	if (!p->draining || p->drained || p->in_flight)
		return;
	p->drained = true;
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_DRAINED, 0);
	link_end(p->link);
}

/* ---- functions of the plugin API ---- */

const char *
sup_id(const struct sup *p)
{
	HOST_NEEDS(p, "p");
	return p->id;
}

uint32_t
sup_generation(const struct sup *p)
{
	HOST_NEEDS(p, "p");
	return p->generation;
}

const char *
sup_version(const struct sup *p)
{
	HOST_NEEDS(p, "p");
	return p->descriptor->version;
}

const char *
sup_data_dir(const struct sup *p)
{
	HOST_NEEDS(p, "p");
	return getenv(LAUNCH_DATA_DIR);
}

struct ev_loop *
sup_loop(struct sup *p)
{
	HOST_NEEDS(p, "p");
	return p->loop;
}

void
sup_ready(struct sup *p)
{
	HOST_NEEDS(p, "p");
	if (p->state != HOST_INITIALISING || p->is_offering)
		host_abort("sup_ready() called twice, or not while starting");
	serve_ready(p);
}

void
sup_log(struct sup *p, enum sup_level level, const char *format, ...)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(format, "format");

	static const char *const names[] = {"error", "warn", "info", "debug"};
	char text[4096];
	msgpack_packer *out;
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_LOG, 2);
	codec_text(out, names[level <= SUP_DEBUG ? level : SUP_DEBUG]);
	codec_text(out, text);
	link_end(p->link);
}

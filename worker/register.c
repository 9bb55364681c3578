/* register: what the plugin offers, collected in init and sent with ready. It
 * checks what would make no registration at all; supd checks the rest. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "worker/host.h"

static const enum registration_kind offer_kinds[] = {
	[SUP_HTTP] = REGISTRATION_HTTP,
	[SUP_TOOL] = REGISTRATION_TOOL,
	[SUP_COMMAND] = REGISTRATION_COMMAND,
	[SUP_METHOD] = REGISTRATION_METHOD,
	[SUP_SERVICE] = REGISTRATION_SERVICE,
	[SUP_SCHEDULE] = REGISTRATION_SCHEDULE,
	[SUP_CLI] = REGISTRATION_CLI,
};

#define OFFER_KINDS (sizeof(offer_kinds) / sizeof(offer_kinds[0]))

static int
offer_check(const struct sup *p, const struct sup_offer *said)
{
	bool http = said->kind == SUP_HTTP;

	if (p->state != HOST_INITIALISING)
		host_say("cannot register once the plugin is ready");
	else if ((size_t)said->kind >= OFFER_KINDS)
		host_say("unknown kind of offer %d", (int)said->kind);
	else if (http ? !said->method || !said->path : !said->name)
		host_say("an offer needs a name, or a method and a path");
	else if (said->streams_body && !http)
		host_say("%s: streams_body is for http only", said->name);
	else if (said->kind == SUP_SCHEDULE && !said->when)
		host_say("schedule %s: when is NULL", said->name);
	else if (!said->handler)
		host_say("%s has no handler", http ? said->path : said->name);
	else if (said->kind == SUP_SERVICE && !said->stop)
		host_say("service %s cannot be stopped: it has no handler for "
			 "that",
			said->name);
	else if (p->offer_count == REGISTRATIONS_MAX)
		host_say("more than %d registrations", REGISTRATIONS_MAX);
	else
		return 0;
	return -1;
}

/* An older plugin's offer ends before the fields that are new since. */
static struct sup_offer
offer_said(const struct sup *p, const struct sup_offer *said)
{
	struct sup_offer own = {0};

	memcpy(&own, said,
		p->descriptor->abi < 2
			? offsetof(struct sup_offer, streams_body)
		: p->descriptor->abi < 3
			? offsetof(struct sup_offer, skip_validation)
		: p->descriptor->abi < 4 ? offsetof(struct sup_offer, stop)
					 : sizeof(own));
	return own;
}

static void
declare_schedule(struct registration *r, const struct sup_offer *said)
{
	r->name = memory_copy_text(said->name);
	r->schedule.when_text = memory_copy_text(said->when);
	r->schedule.zone_name = memory_copy_text(said->zone);
	r->schedule.catch_up =
		memory_copy_text(said->skip_missed ? "none" : NULL);
	if (said->timeout_ms)
		r->schedule.timeout_ms = said->timeout_ms;
}

static void
offer_declare(struct registration *r, const struct sup_offer *said)
{
	registration_init(r, offer_kinds[said->kind]);
	r->description = memory_copy_text(said->description);
	r->help = memory_copy_text(said->help);
	if (said->idempotent)
		r->idempotent = said->idempotent > 0;
	if (said->kind == SUP_SERVICE) {
		r->name = memory_copy_text(said->name);
		r->service.overlap = said->overlap;
		return;
	}
	if (said->kind == SUP_CLI) {
		r->name = memory_copy_text(said->name);
		r->cli.arguments = memory_copy_text(said->arguments);
		return;
	}
	if (said->kind == SUP_SCHEDULE) {
		declare_schedule(r, said);
		return;
	}
	if (said->kind != SUP_HTTP) {
		r->name = memory_copy_text(said->name);
		r->call.schema_json = memory_copy_text(said->schema);
		if (said->skip_validation)
			r->call.validate = false;
		return;
	}
	r->name = memory_format("%s %s", said->method, said->path);
	r->http.method = memory_copy_text(said->method);
	r->http.path = memory_copy_text(said->path);
	if (said->body_limit > 0)
		r->http.body_limit = said->body_limit;
	r->http.streams_body = said->streams_body;
}

char *
offer_words(const char *said)
{
	struct buffer text = {0};
	char *copy = memory_copy_text(said), *place, *joined;

	for (char *word = copy ? strtok_r(copy, ", ", &place) : NULL; word;
		word = strtok_r(NULL, ", ", &place)) {
		if (buffer_length(&text))
			buffer_append_text(&text, ", ");
		buffer_append_text(&text, word);
	}
	joined = buffer_length(&text)
			 ? memory_copy_bytes((const char *)buffer_bytes(&text),
				   buffer_length(&text))
			 : NULL;
	free(copy);
	buffer_finish(&text);
	return joined;
}

struct offer *
offer_add(struct sup *p)
{
	p->offers = memory_resize(
		p->offers, (p->offer_count + 1) * sizeof(*p->offers));
	p->set->items = p->offers;
	p->set->count = p->offer_count + 1;
	p->offers[p->offer_count] = (struct offer){.start = NULL};
	return &p->offers[p->offer_count++];
}

int
sup_register(struct sup *p, const struct sup_offer *offered)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(offered, "offered");

	struct sup_offer whole = offer_said(p, offered);
	const struct sup_offer *said = &whole;
	struct offer *offer;

	if (offer_check(p, said))
		return -1;
	offer = offer_add(p);
	offer->said = *said;
	offer_declare(&offer->declared, said);
	return 0;
}

static int
hook_check(const struct sup *p, const struct sup_hook_offer *said)
{
	if (p->state != HOST_INITIALISING)
		host_say("cannot register once the plugin is ready");
	else if (!said->event)
		host_say("a hook needs an event");
	else if (!said->handler)
		host_say("hook %s has no handler", said->event);
	else if (said->stop_on_error && !said->filter)
		host_say("hook %s: stop_on_error is for filters only",
			said->event);
	else if (p->offer_count == REGISTRATIONS_MAX)
		host_say("more than %d registrations", REGISTRATIONS_MAX);
	else
		return 0;
	return -1;
}

int
sup_register_hook(struct sup *p, const struct sup_hook_offer *said)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(said, "offer");

	struct registration *r;
	struct offer *offer;

	if (hook_check(p, said))
		return -1;
	offer = offer_add(p);
	offer->said = (struct sup_offer){
		.handler = said->handler, .user = said->user};
	r = &offer->declared;
	registration_init(r, REGISTRATION_HOOK);
	r->name = memory_copy_text(said->name ? said->name : said->event);
	r->hook.event = memory_copy_text(said->event);
	r->hook.match_json = memory_copy_text(said->match);
	if (said->timeout_ms)
		r->hook.timeout_ms = said->timeout_ms;
	if (said->idempotent)
		r->idempotent = true;
	r->hook.filter = said->filter;
	r->hook.priority = said->priority;
	if (said->stop_on_error)
		r->hook.on_error = memory_copy_text("stop");
	return 0;
}

int
sup_hook(struct sup *p, const char *event, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register_hook(
		p, &(struct sup_hook_offer){
			   .event = event, .handler = handler, .user = user});
}

int
sup_filter(struct sup *p, const char *event, int32_t priority,
	sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register_hook(p, &(struct sup_hook_offer){.event = event,
					    .handler = handler,
					    .user = user,
					    .filter = true,
					    .priority = priority});
}

int
sup_http(struct sup *p, const char *method, const char *path,
	sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_HTTP,
				       .method = method,
				       .path = path,
				       .handler = handler,
				       .user = user});
}

int
sup_tool(struct sup *p, const char *name, const char *description,
	const char *schema, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_TOOL,
				       .name = name,
				       .description = description,
				       .schema = schema,
				       .handler = handler,
				       .user = user});
}

int
sup_command(struct sup *p, const char *name, const char *help,
	sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_COMMAND,
				       .name = name,
				       .help = help,
				       .handler = handler,
				       .user = user});
}

int
sup_method(struct sup *p, const char *name, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_METHOD,
				       .name = name,
				       .handler = handler,
				       .user = user});
}

int
sup_schedule(struct sup *p, const char *name, const char *when,
	sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_SCHEDULE,
				       .name = name,
				       .when = when,
				       .handler = handler,
				       .user = user});
}

void
sup_health(struct sup *p, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	p->health = handler;
	p->health_user = user;
}

const struct offer *
host_offer(const struct sup *p, enum registration_kind kind, struct bytes name)
{
	for (uint32_t i = 0; i < p->offer_count; i++)
		if (p->offers[i].declared.kind == kind &&
			bytes_equal(bytes_of(p->offers[i].declared.name), name))
			return &p->offers[i];
	return NULL;
}

bool
host_knows(const struct sup *p, uint64_t number, struct bytes kind,
	struct bytes name)
{
	const struct registration *r;

	if (number >= p->offer_count)
		return false;
	r = &p->offers[number].declared;
	return (int)r->kind ==
		       registration_kind_by_wire(kind.at, kind.length) &&
	       bytes_equal(bytes_of(r->name), name);
}

void
host_pack_offers(const struct sup *p, msgpack_packer *out)
{
	msgpack_pack_array(out, p->offer_count);
	for (uint32_t i = 0; i < p->offer_count; i++)
		registration_pack(&p->offers[i].declared, out);
}

/* services_status: what is shown of services and channels: the worker's word
 * while they run, and why they do not run else. Events are bounded: the first
 * change is reported at once, later ones once a second, TELL_MAX at a time. */
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/services_parts.h"
#include "supervisor/gateway/news.h"

#define REPORT_MS 1000
#define REPORT_MAX 16

/* ---- states ---- */

static const char running[] = "running", waiting[] = "waiting",
		  has_failed[] = "failed", up[] = "up",
		  connecting[] = "connecting", login[] = "login";

/* The words of service.status, and those of channel.status. */
static const char *const service_words[] = {running, waiting, has_failed, NULL};
static const char *const channel_words[] = {
	up, connecting, waiting, "down", login, has_failed, NULL};

/* NULL: it is none that may be used. */
static const char *
word_of(const struct service *service, struct bytes text)
{
	const char *const *words =
		service->is_channel ? channel_words : service_words;

	for (; *words; words++)
		if (bytes_equal(text, bytes_of(*words)))
			return *words;
	return NULL;
}

/* While it runs, the worker's word counts; that a channel needs a person counts
 * until it has started. */
static const char *
state_text(const struct service *service)
{
	const char *runs = service->is_channel ? up : running;

	if (service->word == has_failed || service->word == login)
		return service->word;
	if (service->state == SERVICE_ON)
		return service->word ? service->word : runs;
	if (service->is_channel && service->state == SERVICE_STARTING)
		return connecting;
	return waiting;
}

static bool
is_fine(const struct service *service)
{
	const char *state = state_text(service);

	return state == running || state == up;
}

static json_t *
view_of(const struct service *service)
{
	return json_pack("{s:o,s:s,s:o}", "name", value_text(service->name),
		"state", state_text(service), "text",
		*service->text ? value_text(service->text) : json_null());
}

static bool
is_viewed(const struct service *service, enum registration_kind kind)
{
	return service->is_channel == (kind == REGISTRATION_CHANNEL);
}

json_t *
services_idle_view(
	const struct worker *w, enum registration_kind kind, uint32_t most)
{
	const struct services *s = w ? w->services : NULL;
	json_t *rows = NULL;

	for (uint32_t i = 1; s && i < s->count; i++) {
		if (!is_viewed(&s->items[i], kind) || is_fine(&s->items[i]) ||
			json_array_size(rows) >= most)
			continue;
		if (!rows)
			rows = json_array();
		json_array_append_new(rows, view_of(&s->items[i]));
	}
	return rows;
}

struct services_count
services_count(const struct worker *w)
{
	const struct services *s = w ? w->services : NULL;
	struct services_count count = {0};

	for (uint32_t i = 1; s && i < s->count; i++) {
		const char *state = state_text(&s->items[i]);

		if (s->items[i].is_channel)
			continue;
		count.running += state == running;
		count.waiting += state == waiting;
		count.failed += state == has_failed;
	}
	return count;
}

json_t *
services_view(
	const struct worker *w, enum registration_kind kind, uint32_t most)
{
	const struct services *s = w ? w->services : NULL;
	json_t *rows = NULL;
	uint32_t count = 0;

	for (uint32_t i = 1; s && i < s->count; i++)
		count += is_viewed(&s->items[i], kind);
	if (count > most)
		rows = services_idle_view(w, kind, most);
	if (rows)
		return rows;
	rows = json_array();
	for (uint32_t i = 1; s && count <= most && i < s->count; i++)
		if (is_viewed(&s->items[i], kind))
			json_array_append_new(rows, view_of(&s->items[i]));
	return rows;
}

json_t *
services_idle_take_view(const struct worker *w)
{
	const struct services *s = w ? w->services : NULL;

	return s && s->is_exclusive && !is_fine(&s->items[0])
		       ? services_take_view(w)
		       : NULL;
}

json_t *
services_take_view(const struct worker *w)
{
	const struct services *s = w ? w->services : NULL;
	const struct service *take = s ? &s->items[0] : NULL;

	if (!s || !s->is_exclusive)
		return json_null();
	return json_pack("{s:I,s:s,s:o}", "epoch", (json_int_t)s->epoch,
		"state", state_text(take), "text",
		*take->text ? value_text(take->text) : json_null());
}

const char *
services_channel_state(const struct worker *w, const struct registration *r,
	const char **text_out)
{
	const struct service *service =
		w->services ? services_find_declared(w->services, r) : NULL;

	*text_out = service ? service->text : "";
	return service ? state_text(service) : waiting;
}

/* ---- events ---- */

static void
report_some(struct services *s)
{
	unsigned reported = 0;

	for (uint32_t i = 1; i < s->count && reported < REPORT_MAX; i++) {
		struct service *service = &s->items[i];

		if (!service->is_unreported)
			continue;
		service->is_unreported = false;
		news_plugin(s->plugin,
			service->is_channel ? "channel.status"
					    : "service.status",
			view_of(service));
		reported++;
	}
	if (reported)
		wheel_set(
			services_wheel(s), &s->report, clock_ms() + REPORT_MS);
}

void
services_report_due(struct wheel_timer *t)
{
	report_some(container_of(t, struct services, report));
}

static void
report_soon(struct services *s)
{
	if (s->serves && !wheel_timer_is_set(&s->report))
		report_some(s);
}

void
services_report_all(struct services *s)
{
	for (uint32_t i = 1; i < s->count; i++)
		s->items[i].is_unreported = s->items[i].state == SERVICE_ON;
	report_soon(s);
}

static void
set(struct services *s, struct service *service, const char *word,
	const char *text)
{
	char now[SERVICE_TEXT_MAX + 1];

	text_format(now, sizeof(now), "%s", text ? text : "");
	clean_text(now, "");
	if (service->word == word && !strcmp(now, service->text) &&
		!service->is_new)
		return;
	service->is_new = false;
	service->word = word;
	memcpy(service->text, now, sizeof(now));
	service->is_unreported = true;
	report_soon(s);
}

void
service_show_start(struct services *s, struct service *service)
{
	service->is_new = true; /* that it runs is news */
	if (service->has_reported)
		set(s, service, service->word, service->text);
	else
		set(s, service, NULL, NULL);
}

void
service_show_wait(struct services *s, struct service *service, const char *why)
{
	set(s, service, waiting, why);
}

void
service_show_failure(struct services *s, struct service *service,
	const char *what, const char *why)
{
	struct log_subject subject = {
		.plugin = s->plugin->id, .generation = s->worker->generation};

	bool needs_person = service->has_reported && service->word == login;

	set(s, service, needs_person ? login : waiting, why);
	if (service->name)
		log_write(LOG_WARN, &subject, "%s '%s' %s: %s",
			service->is_channel ? "channel" : "service",
			service->name, what, service->text);
	else
		log_write(LOG_WARN, &subject,
			"what only one worker may have %s: %s", what,
			service->text);
}

/* The worker's word; one that it may not use is ignored. */
void
services_on_status(struct worker *w, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[0]);
	struct bytes state = codec_bytes(&m->params[1]);
	struct bytes text = codec_bytes(&m->params[2]);
	char own_name[REGISTRATION_NAME_BYTES + 1];
	char own_text[SERVICE_TEXT_MAX + 1];
	const struct registration *r;
	struct service *service;
	const char *word;

	if (!w->services || name.length > REGISTRATION_NAME_BYTES)
		return;
	text_format(
		own_name, sizeof(own_name), "%.*s", (int)name.length, name.at);
	r = registration_find(&w->registrations,
		m->name == MESSAGE_CHANNEL_STATUS ? REGISTRATION_CHANNEL
						  : REGISTRATION_SERVICE,
		own_name);
	if (!r)
		return;
	service = services_find(
		w->services, (uint32_t)(r - w->registrations.items));
	word = word_of(service, state);
	if (!word || (service->state != SERVICE_ON &&
			     service->state != SERVICE_STARTING))
		return;
	text_format(own_text, sizeof(own_text), "%.*s",
		(int)text_fit(text.at, text.length, SERVICE_TEXT_MAX), text.at);
	service->has_reported = true;
	set(w->services, service, word, own_text);
	if (word == has_failed)
		service_broke(w->services, service);
}

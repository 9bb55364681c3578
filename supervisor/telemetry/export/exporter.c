/* exporter: the loop and the settings. */
#include "supervisor/telemetry/export/exporter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/telemetry/export/json.h"

#define POLL_MS_MAX 60000

void
exporter_init(struct exporter *x, int fd)
{
	*x = (struct exporter){.fd = fd};
	curl_global_init(CURL_GLOBAL_DEFAULT);
	x->multi = curl_multi_init();
	x->target.multi = x->multi;
	x->target.source.version = SUPD_VERSION;
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		sender_init(&x->senders[i], (enum record_signal)i, &x->target);
}

void
exporter_finish(struct exporter *x)
{
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		sender_finish(&x->senders[i]);
	curl_slist_free_all(x->target.headers);
	curl_slist_free_all(x->old_headers);
	curl_multi_cleanup(x->multi);
	curl_global_cleanup();
	free(x->endpoint);
	buffer_finish(&x->resource);
	buffer_finish(&x->in);
	buffer_finish(&x->out);
	buffer_finish(&x->reported);
}

/* ---- settings ---- */

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	char *line = memory_format("%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(list, line);

	free(line);
	return longer ? longer : list;
}

static void
put_any(struct buffer *out, const char *name, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		json_put_attribute(out, name,
			(struct bytes){json_string_value(value),
				json_string_length(value)});
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY);
	json_put(out, "{\"key\":");
	json_put_text(out, bytes_of(name));
	buffer_format(out, ",\"value\":{\"%s\":%s%s%s}},",
		json_is_boolean(value)	 ? "boolValue"
		: json_is_integer(value) ? "intValue"
					 : "doubleValue",
		json_is_integer(value) ? "\"" : "", text ? text : "0",
		json_is_integer(value) ? "\"" : "");
	free(text);
}

static void
put_own(struct buffer *out, const json_t *resource)
{
	char host[256] = "";

	if (!json_object_get(resource, "service.name"))
		json_put_attribute(out, "service.name", BYTES("supd"));
	if (!json_object_get(resource, "service.version"))
		json_put_attribute(
			out, "service.version", bytes_of(SUPD_VERSION));
	if (!json_object_get(resource, "process.pid"))
		json_put_attribute_number(
			out, "process.pid", (uint64_t)getppid());
	if (!json_object_get(resource, "host.name") &&
		!gethostname(host, sizeof(host) - 1) && *host)
		json_put_attribute(out, "host.name", bytes_of(host));
}

void
exporter_configure(struct exporter *x, const char *endpoint,
	const json_t *headers, const json_t *resource, uint64_t timeout_ms)
{
	struct curl_slist *list = NULL;
	const char *key;
	json_t *value;

	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		sender_retarget(&x->senders[i], clock_ms());
	list = add_header(list, "Content-Type", "application/json");
	list = add_header(list, "Expect", ""); /* not used */
	json_object_foreach((json_t *)(uintptr_t)headers, key, value) list =
		add_header(list, key, json_string_value(value));
	buffer_clear(&x->resource);
	put_own(&x->resource, resource);
	json_object_foreach((json_t *)(uintptr_t)resource, key, value)
		put_any(&x->resource, key, value);
	json_end_list(&x->resource);
	/* a transfer in progress still uses the list of the last settings */
	curl_slist_free_all(x->old_headers);
	x->old_headers = x->target.headers;
	x->target.headers = list;
	free(x->endpoint);
	x->endpoint = memory_copy_text(endpoint);
	x->target.endpoint = x->endpoint;
	x->target.timeout_ms = timeout_ms ? (long)timeout_ms : 1;
	x->target.source.resource =
		(struct bytes){(const char *)buffer_bytes(&x->resource),
			buffer_length(&x->resource)};
}

/* ---- the loop ---- */

static void
take_results(struct exporter *x)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(x->multi, &left))) {
		char *sender = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &sender);
		sender_done((struct sender *)(void *)sender, code);
	}
}

static void
sooner(uint64_t *due_ms, uint64_t other_ms)
{
	if (other_ms && (!*due_ms || other_ms < *due_ms))
		*due_ms = other_ms;
}

static bool
is_over(const struct exporter *x, uint64_t now_ms)
{
	if (!x->has_ended)
		return false;
	if (now_ms >= x->end_ms)
		return true;
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		if (!sender_is_empty(&x->senders[i]))
			return false;
	return true;
}

static int
wait_ms(uint64_t now_ms, uint64_t due_ms)
{
	if (!due_ms || due_ms > now_ms + POLL_MS_MAX)
		return POLL_MS_MAX;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

void
exporter_run(struct exporter *x)
{
	for (;;) {
		uint64_t now_ms = clock_ms(), due_ms = 0;
		struct curl_waitfd from = {
			.fd = x->fd, .events = CURL_WAIT_POLLIN};
		int running;

		curl_multi_perform(x->multi, &running);
		take_results(x);
		/* before the wait, which the last answer does not end */
		if (is_over(x, now_ms))
			return;
		for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
			sooner(&due_ms, sender_look(&x->senders[i], now_ms));
		sooner(&due_ms, link_report(x, now_ms));
		if (x->has_ended)
			sooner(&due_ms, x->end_ms);
		curl_multi_poll(x->multi, &from, x->has_ended ? 0 : 1,
			wait_ms(clock_ms(), due_ms), NULL);
		if (!x->has_ended)
			link_read(x);
	}
}

#include "tests/system/botapi.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"

void
botapi_start(struct botapi *b)
{
	botapi_start_tls(b, NULL, NULL);
}

void
botapi_start_tls(struct botapi *b, const char *certificate, const char *key)
{
	const char *const program[] = {
		BOTAPI, certificate ? "--tls" : NULL, certificate, key, NULL};

	double_start(&b->at, program);
}

void
botapi_end(struct botapi *b)
{
	double_end(&b->at);
}

static void
control(struct botapi *b, const char *path, const char *format, va_list list)
{
	char text[4096], *body;

	vsnprintf(text, sizeof(text), format, list);
	body = memory_format("{%s}", text);
	double_post(&b->at, path, body);
	free(body);
}

void
botapi_set(struct botapi *b, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	control(b, "set", format, list);
	va_end(list);
}

void
botapi_say(struct botapi *b, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	control(b, "say", format, list);
	va_end(list);
}

long
botapi_count(struct botapi *b, const char *key)
{
	json_t *state = double_get(&b->at, "state");
	long count = (long)json_integer_value(
		json_object_get(json_object_get(state, "1001"), key));

	json_decref(state);
	return count;
}

void
botapi_await(struct botapi *b, const char *key, long least)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);

	while (botapi_count(b, key) < least)
		cr_assert(patience_lasts(&p), "%s is %ld, not %ld", key,
			botapi_count(b, key), least);
}

json_t *
botapi_sent(struct botapi *b)
{
	return double_get(&b->at, "sent");
}

json_t *
botapi_await_sent(struct botapi *b, size_t count)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);
	json_t *sent = botapi_sent(b);

	while (json_array_size(sent) < count) {
		cr_assert(patience_lasts(&p), "%zu sent, not %zu",
			json_array_size(sent), count);
		json_decref(sent);
		sent = botapi_sent(b);
	}
	return sent;
}

void
botapi_add(struct gateway_run *g, struct botapi *b, const char *token,
	const char *settings, const char *entry)
{
	char *folder = memory_format("%s/telegram.d", g->dir);

	if (!mkdir(folder, 0755))
		run_package(g, "telegram", "telegram");
	free(folder);
	g->may_grow = true; /* the socket of the message store is right */
	run_plugin(g, "telegram",
		"mount: /telegram, settings: {token: \"%s\", "
		"api: \"http://%s\"%s%s}%s%s",
		token, b->at.where, *settings ? ", " : "", settings,
		*entry ? ", " : "", entry);
}

void
botapi_say_some(struct botapi *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		botapi_say(b, "\"text\": \"number %%d\"");
}

void
botapi_expect_heard(struct gateway_run *g, unsigned count)
{
	char *all, *at;
	unsigned number = 0;

	chat_await(g, "telegram", "heard", "heard 42 ", count);
	all = at = chat_file(g, "telegram", "heard");
	for (; (at = strstr(at, "heard 42 ")); at++) {
		unsigned found = 0;

		sscanf(at, "heard 42 42:%u", &found);
		cr_assert_eq(
			found, ++number, "%u came as number %u", found, number);
	}
	cr_expect_eq(number, count);
	free(all);
}

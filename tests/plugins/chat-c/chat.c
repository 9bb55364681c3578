/* chat: what chat-python does, in C, without its lock: DIR/inbox has a message
 * a line, what is sent is a line of DIR/outbox, DIR/journal says what happened,
 * and DIR/sends has words for the next sends. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

static struct sup *plugin;
static ev_timer poll;
static long position; /* lines of the inbox that are acknowledged */
static bool is_waiting;

static FILE *
file(const char *name, const char *mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s",
		sup_setting_string(plugin, "dir", "."), name);
	return fopen(path, mode);
}

static void
note(const char *name, const char *prefix, const char *text)
{
	FILE *f = file(name, "a");

	if (!f)
		return;
	fprintf(f, "%s%s\n", prefix, text);
	fclose(f);
}

static void
note_journal(const char *what, const char *more)
{
	char text[600];

	snprintf(text, sizeof(text), "%u %s%s", sup_generation(plugin), what,
		more);
	note("journal", "", text);
}

/* ---- what comes in ---- */

static void
acknowledge(struct sup *p, void *user)
{
	note_journal("taken ", user);
}

static void
over(struct sup *p, enum sup_taken how, const char *why, void *user)
{
	is_waiting = false;
	if (how == SUP_NOT_TAKEN)
		note_journal("stopped-with ", user);
	else
		position++;
	free(user);
}

/* The value of "key": "…" in a line. */
static char *
value_of(const char *line, const char *key, const char *fallback)
{
	char pattern[64];
	const char *at;

	snprintf(pattern, sizeof(pattern), "\"%s\": \"", key);
	at = strstr(line, pattern);
	if (!at)
		return strdup(fallback);
	at += strlen(pattern);
	return strndup(at, strcspn(at, "\""));
}

static void
take(const char *line)
{
	char cursor[24];
	char *id = value_of(line, "id", "?");
	char *text = value_of(line, "text", "");
	int length = snprintf(cursor, sizeof(cursor), "%ld", position + 1);
	const struct sup_message m = {
		.id = id,
		.lane = "room",
		.cursor = cursor,
		.cursor_bytes = (size_t)length,
		.from_id = "ann",
		.chat_id = "room",
		.chat_type = SUP_CHAT_GROUP,
		.text = text,
		.acknowledge = acknowledge,
		.over = over,
		.user = id,
	};

	is_waiting = sup_channel_receive(plugin, "chat", &m) >= 0;
	if (!is_waiting)
		free(id);
	free(text);
}

static void
look(struct ev_loop *loop, ev_timer *timer, int events)
{
	char line[2048];
	FILE *inbox = is_waiting ? NULL : file("inbox", "r");
	long at = 0;

	if (!inbox)
		return;
	while (fgets(line, sizeof(line), inbox))
		if (at++ == position) {
			take(line);
			break;
		}
	fclose(inbox);
}

/* ---- life ---- */

static void
start(struct sup_req *req, void *user)
{
	size_t size;
	const char *cursor = sup_req_cursor(req, &size);
	char text[128];

	snprintf(text, sizeof(text), "%llu %.*s",
		(unsigned long long)sup_req_epoch(req), cursor ? (int)size : 3,
		cursor ? cursor : "nil");
	note_journal("start ", text);
	position = cursor ? atol(cursor) : 0;
	ev_timer_init(&poll, look, 0, 0.01);
	ev_timer_start(sup_loop(plugin), &poll);
	sup_ok(req);
}

static void
stop(struct sup_req *req, void *user)
{
	char cursor[24];

	ev_timer_stop(sup_loop(plugin), &poll);
	note_journal("stop", "");
	snprintf(cursor, sizeof(cursor), "%ld", position);
	sup_reply_cursor(req, cursor, strlen(cursor));
}

/* ---- what goes out ---- */

static void
next_word(char *word)
{
	char all[256] = "";
	FILE *f = file("sends", "r");
	size_t length;

	*word = '\0';
	if (!f)
		return;
	if (!fgets(all, sizeof(all), f))
		all[0] = '\0';
	fclose(f);
	length = strcspn(all, " \n");
	snprintf(word, 32, "%.*s", (int)length, all);
	f = file("sends", "w");
	fputs(all + length + (all[length] == ' '), f);
	fclose(f);
}

static void
send_out(struct sup_req *req, void *user)
{
	const char *id = sup_req_arg_string(req, "send_id", "");
	char word[32], line[2048];

	next_word(word);
	if (!strcmp(word, "retry")) {
		sup_retry(req, 50);
		return;
	}
	if (!strcmp(word, "not_sent")) {
		sup_not_sent(req, "nobody is there");
		return;
	}
	snprintf(line, sizeof(line),
		"{\"send\": \"%s\", \"to\": \"%s\", \"text\": \"%s\"}", id,
		sup_req_arg_string(req, "target.chat", ""),
		sup_req_arg_string(req, "content.text", ""));
	note("outbox", "", line);
	if (!strcmp(word, "late"))
		_exit(9);
	sup_sent(req, id);
}

static void
find(struct sup_req *req, void *user)
{
	const char *id = sup_req_arg_string(req, "send_id", "?");
	FILE *outbox = file("outbox", "r");
	char line[2048];
	bool found = false;

	while (outbox && fgets(line, sizeof(line), outbox))
		found = found || strstr(line, id);
	if (outbox)
		fclose(outbox);
	if (found)
		sup_sent(req, id);
	else
		sup_not_sent(req, "it is not there");
}

static int
init(struct sup *p)
{
	plugin = p;
	return sup_channel(p, &(struct sup_channel_offer){.name = "chat",
				      .can = "text, find",
				      .start = start,
				      .stop = stop,
				      .send = send_out,
				      .find = find});
}

SUP_PLUGIN("chat-c", "1.0.0", init)

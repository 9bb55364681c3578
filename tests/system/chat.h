/* chat: plugins of the package tests/plugins/chat-python, a channel whose
 * outside server is the folder DIR/ID.d of the run, and of talk-python, which
 * handles what comes. */
#pragma once

#include "tests/system/harness/run.h"

/* Adds the channel `id`: settings as the inside of a map, or "", and more of
 * its entry, or "". */
void chat_add(struct gateway_run *g, const char *id, const char *settings,
	const char *entry);
/* The same of another package: chat-node, without settings. */
void chat_add_of(struct gateway_run *g, const char *package, const char *exec,
	const char *id);
/* The next version: other settings. */
void chat_settings(struct gateway_run *g, const char *id, const char *settings);
/* A file of its server: set to the text, NULL: gone. */
void chat_set(struct gateway_run *g, const char *id, const char *file,
	const char *text);
/* A message of the server, the inside of a map. */
void chat_say(struct gateway_run *g, const char *id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* That many messages at once, "n0", "n1" and so on, spread over the lanes "l0",
 * "l1" and so on; the first one of each lane is "/slow 1". */
void chat_say_many(
	struct gateway_run *g, const char *id, unsigned lanes, unsigned count);
/* The whole file, "" if there is none; the caller frees. */
char *chat_file(struct gateway_run *g, const char *id, const char *file);
unsigned chat_count(struct gateway_run *g, const char *id, const char *file,
	const char *text);
/* Waits until the file has this text count times. */
void chat_await(struct gateway_run *g, const char *id, const char *file,
	const char *text, unsigned count);
/* Adds a plugin of talk-python, which writes into the same folder as the
 * channel `chat`. */
void chat_add_talk(struct gateway_run *g, const char *id, const char *chat,
	const char *settings);
/* The same with more of its entry. */
void chat_add_talk_with(struct gateway_run *g, const char *id, const char *chat,
	const char *settings, const char *entry);

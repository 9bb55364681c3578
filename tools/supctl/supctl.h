/* supctl: what its verbs share: the options, one call to supd, and how answers
 * and errors are printed. */
#pragma once

#include "tools/supctl/client.h"
#include "tools/supctl/options.h"

/* Runs the call of o->verb with args (a reference is taken; NULL: none), and
 * prints what is common: the document with --json, or the error on stderr.
 * Returns the exit code; data_out (new reference) is set only if there is
 * something left to print for people. */
int supctl_ask(const struct options *o, json_t *args, json_t **data_out);
/* The same in parts, for verbs that follow what happens. watch: NULL, if
 * nothing of it is of interest. Strings that supd sends are made harmless for
 * a terminal on their way in, but for JSON (which escapes them) and for verbs
 * that print values of plugins and do it themselves. */
void supctl_call(const struct options *o, json_t *args,
	const struct client_watch *watch, struct answer *answer_out);
void supctl_print_json(const json_t *document);
/* Prints the error, with --json as a document too; returns the exit code. */
int supctl_print_error(const struct options *o, const struct answer *answer);
/* The "problems" of a configuration in a document, a line each on stderr. */
void supctl_print_problems(const json_t *document);
/* The same for an error of supctl's own. */
int supctl_fail(const struct options *o, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A text of an object, "" if it is absent or no text. */
const char *supctl_text(const json_t *object, const char *key);
/* Whether what is written to this descriptor is coloured. */
bool supctl_has_color(const struct options *o, int fd);
/* A line from elsewhere, harmless for a terminal (proto/util/clean.h); tabs
 * stay. In place. */
char *supctl_clean(char *text);
/* Writes what is printed so far. If that fails it says so and exits, with 1
 * unless there is another failure already. */
void supctl_flush(int exit_code);
/* The plugins that were named: {"id"}, {"ids"}, or nothing. */
json_t *supctl_id_args(const struct options *o);
/* Folder of the running program, without its last slash; the caller frees. */
char *supctl_own_folder(void);

typedef int verb_function(const struct options *o);
#define VERB(id, command, client, ...) verb_function client;
#include "proto/verbs.def"
#undef VERB

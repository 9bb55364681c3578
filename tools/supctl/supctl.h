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
 * nothing of it is of interest. */
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
/* What a text from elsewhere may not do to a terminal: control bytes become
 * '?', tabs stay. In place. */
char *supctl_clean(char *text);
/* Folder of the running program, without its last slash; the caller frees. */
char *supctl_own_folder(void);

typedef int verb_function(const struct options *o);
verb_function verb_status, verb_list, verb_show, verb_routes, verb_can_reload,
	verb_version, verb_reload, verb_lifecycle, verb_check, verb_plan,
	verb_apply, verb_scan, verb_logs, verb_call, verb_emit, verb_events,
	verb_history, verb_config, verb_metrics, verb_token, verb_new,
	verb_completion, verb_shutdown;

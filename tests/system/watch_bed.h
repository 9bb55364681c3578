/* watch_bed: a run with two plugins that are watched, a and b, each of a
 * package of its own; and what supd says about them. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/system/harness/run.h"

#define WATCH_RELOAD "reload: {watch: true, debounce: 60ms}\n"
#define WATCH_CONFIG "(configuration)"
#define WATCH_DEADLINE_MS DEADLINE_MS(60000)

/* hello under another name. */
void watch_package(struct gateway_run *g, const char *name);
/* With that line of supd.yaml; not started. */
struct gateway_run *watch_prepare(const char *reload);
/* A plugin `c` of the same package, with the content of a file as a setting. */
void watch_add_token(struct gateway_run *g, const char *file);
/* Waits until both plugins and the configuration are watched by inotify. */
void watch_start(struct gateway_run *g);

/* The row of `watch status`; the caller releases. */
json_t *watch_look(struct gateway_run *g, const char *id);
/* A text of it, "" if there is none; the caller frees. */
char *watch_said(struct gateway_run *g, const char *id, const char *key);
/* Waits until the row has that text. */
void watch_await_said(struct gateway_run *g, const char *id, const char *key,
	const char *text);

/* Writes a file of the package by rename. */
void watch_put(struct gateway_run *g, const char *package, const char *name,
	const char *text);
long watch_generation(struct gateway_run *g, const char *id);
/* Waits until it is at that generation or a later one. */
void watch_await_generation(struct gateway_run *g, const char *id, long least);
/* The plugin is at that generation, also after a reload of b for a save that
 * came later. */
void watch_expect_no_more(struct gateway_run *g, const char *id, long at);
/* One more of a, and no other. */
void watch_expect_one(struct gateway_run *g, long *at);

/* The process that watches; 0: there is none. */
pid_t watch_process(struct gateway_run *g);
/* Watches of inotify that the kernel has for it. */
unsigned watch_count_kernel(pid_t pid);
/* supd runs in namespaces of its own, by flags of unshare(1), as root there,
 * after a script in sh. Skips the test where that cannot be. */
void watch_confine(
	struct gateway_run *g, const char *flags, const char *script);

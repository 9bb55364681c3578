/* run: one supd in a private folder: its packages, its configuration, its
 * process and its log. A test makes one, starts it, and ends it with run_end(),
 * which looks at what is left behind (after.h).
 *
 *   DIR/packages/NAME   plugin_dirs; tests may change what is in there
 *   DIR/supd.yaml, DIR/run, DIR/state, DIR/http.sock
 *
 * The environment: BUILD is the build folder; TEST_LINK the link of workers
 * (nng); KEEP keeps the folder of a test that failed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tests/system/harness/capture.h"
#include "tests/system/harness/deadline.h"

#define RUN_DEADLINE_MS DEADLINE_MS(30000)
#define RUN_ANNOUNCED_MAX 16

struct gateway_run {
	char dir[64];
	char http[96]; /* where clients connect: DIR/http.sock, or HOST:PORT */
	char control[96];	/* DIR/run/control.sock */
	char *defaults;		/* inside of `defaults: {…}` */
	char *extra;		/* more lines of supd.yaml */
	char *plugins;		/* lines under `plugins:` */
	char *notify;		/* path for NOTIFY_SOCKET, or NULL */
	const char *wrapper[9]; /* put before supd's own arguments */

	pid_t pid; /* 0: not running */
	int pidfd;
	struct capture log;
	bool has_log;
	unsigned fds_at_start;
	const char *announced[RUN_ANNOUNCED_MAX]; /* errors that are expected */
	unsigned announced_count;
	bool may_grow; /* plugins were added: more descriptors are right */
};

struct gateway_run *run_create(void);
/* Copies a package of this build ("hello", "fault", "bench", …), without its
 * subfolders. */
void run_package(struct gateway_run *g, const char *name, const char *as);
/* A plugin: its id and the inside of its map, e.g. "use: fault". It is
 * required, so that a run is ready only when it serves. */
void run_plugin(struct gateway_run *g, const char *id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void run_no_plugins(struct gateway_run *g); /* forgets those of before */
/* DIR/packages/NAME/FILE; the caller frees. */
char *run_package_file(
	struct gateway_run *g, const char *package, const char *file);
/* Writes the manifest of a package of fault with a mode, and more settings
 * ("key: value, …") or "". */
void run_fault(struct gateway_run *g, const char *package, const char *mode,
	const char *settings);
/* Content of the bench package's version file DIR/version. */
void run_version(struct gateway_run *g, const char *text);
/* Replaces the inside of `defaults: {…}`. */
void run_defaults(struct gateway_run *g, const char *text);
/* hello, fault or bench as package and plugin of that name, with settings. */
void run_add_bench(struct gateway_run *g);
void run_add_fault(struct gateway_run *g);
void run_add_hello(struct gateway_run *g);

void run_write_config(struct gateway_run *g);
void run_spawn(struct gateway_run *g); /* writes the config, starts supd */
void run_start(struct gateway_run *g); /* and waits until it is ready */
/* An error line or exit with this text is expected. */
void run_announce(struct gateway_run *g, const char *text);
bool run_log_has(struct gateway_run *g, size_t from, const char *text);
/* Waits for a line of the log; the test fails after the deadline. */
void run_await_log(struct gateway_run *g, size_t from, const char *text);
void run_signal(struct gateway_run *g, int signal);
int run_wait(struct gateway_run *g);	/* for supd's exit: its status, or -1 */
void run_end(struct gateway_run *g);	/* TERM, the checks, and all is freed */
void run_forget(struct gateway_run *g); /* as run_end for a supd that is gone */
/* .fini of the suites: shows the log of a run that a failure cut short. */
void run_fini(void);

const char *run_build_root(void);
/* Whether other users may run what was built: not in a home that is closed. */
bool run_build_is_open(void);

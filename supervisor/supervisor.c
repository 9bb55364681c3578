/* supervisor: starts and stops supd. Start: folders, gateway, doors, plugins.
 * Stop: doors refuse new work, workers drain, doors close. HUP is handled in
 * supervisor_apply.c. */
#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "proto/util/paths.h"
#include "supervisor/channel/channel.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"
#include "supervisor/control/slices.h"
#include "supervisor/event/events.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/notify.h"
#include "supervisor/schedule/schedule.h"
#include "supervisor/supervisor_parts.h"
#include "supervisor/apply/roster.h"
#include "supervisor/telemetry/telemetry.h"
#include "supervisor/watch/watch.h"

/* The name of the control socket, if the service manager opened it. */
#define CONTROL_SOCKET "control"

static const int watched_signals[] = {
	SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
static_assert(
	sizeof(watched_signals) / sizeof(*watched_signals) == SIGNAL_COUNT,
	"every watcher has its signal");

/* ---- logging from the loop ---- */

/* A regular file always polls writable, even on a full disk, so after a failed
 * write this waits for a timer. */
static void
flush_log(struct supervisor *s)
{
	bool is_empty = log_flush();
	uint64_t retry_ms = log_retry_in_ms();

	if (is_empty || retry_ms)
		ev_io_stop(s->loop, &s->log_writable);
	else
		ev_io_start(s->loop, &s->log_writable);
	if (!retry_ms || ev_is_active(&s->log_retry))
		return;
	ev_timer_set(&s->log_retry, (double)retry_ms / 1e3, 0);
	ev_timer_start(s->loop, &s->log_retry);
}

static void
on_turn(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	(void)loop, (void)events;
	flush_log(container_of(prepare, struct supervisor, log_flush));
}

static void
log_is_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop, (void)events;
	flush_log(container_of(io, struct supervisor, log_writable));
}

static void
log_retry_is_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	flush_log(container_of(timer, struct supervisor, log_retry));
}

void
supervisor_set_log(const struct supervisor *s, const struct config *config)
{
	log_set(s->options->format_is_set ? s->options->format
					  : (enum log_format)config->log.format,
		s->options->level_is_set ? s->options->level
					 : (enum log_level)config->log.level);
}

/* ---- signals ---- */

static void
on_shutdown(void *user)
{
	supervisor_stop(user, "shutdown requested");
}

static void
reopen_logs(struct supervisor *s)
{
	struct error err;

	if (log_reopen() < 0)
		log_error("cannot reopen the log: %s", strerror(errno));
	else
		log_info("log reopened");
	if (http_server_reopen_access(s->http, &err) < 0)
		log_error("%s", err.text);
}

static void
on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *s = ev_userdata(loop);

	(void)events;
	switch (signal->signum) {
	case SIGHUP:
		supervisor_on_change(s, "hup");
		break;
	case SIGUSR1:
		reopen_logs(s);
		break;
	case SIGUSR2:
		log_warn("USR2 (upgrade) is not supported yet");
		break;
	default:
		supervisor_stop(s, strsignal(signal->signum));
	}
}

/* ---- start ---- */

static void
start_signals(struct supervisor *s)
{
	sigset_t none;

	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		ev_signal_init(&s->signals[i], on_signal, watched_signals[i]);
		ev_signal_start(s->loop, &s->signals[i]);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Opens the log by the command line, before the configuration is known. */
static void
open_log(const struct supervisor_options *options)
{
	log_open(STDERR_FILENO,
		options->format_is_set ? options->format : LOG_TEXT,
		options->level_is_set ? options->level : LOG_INFO);
}

static void
start_logging(struct supervisor *s)
{
	ev_prepare_init(&s->log_flush, on_turn);
	ev_prepare_start(s->loop, &s->log_flush);
	ev_io_init(&s->log_writable, log_is_writable, log_fd(), EV_WRITE);
	ev_timer_init(&s->log_retry, log_retry_is_due, 0, 0);
}

/* A broken pipe or a file size limit must fail the write, not kill supd. */
static void
ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit of open files: %s",
			strerror(errno));
}

/* sup-worker is searched for beside supd, in build/worker and in libexec,
 * relative to supd's own file, so that an installed tree can be moved. */
static char *
find_worker_program(struct error *err)
{
	static const char *const programs[] = {"sup-worker",
		"../worker/sup-worker", "../libexec/supd/sup-worker"};
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path;

	if (size < 0) {
		error_set(err, "cannot find supd's own program: %s",
			strerror(errno));
		return NULL;
	}
	self[size] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		path = memory_format("%s/%s", self, programs[i]);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	path = memory_format("%s/sup-worker", SUPD_LIBEXECDIR);
	if (access(path, X_OK) == 0)
		return path;
	error_set(err, "sup-worker is neither beside supd (%s) nor at %s", self,
		path);
	free(path);
	return NULL;
}

static int
open_folders(struct supervisor *s, struct error *err)
{
	char *runtime_dir = paths_runtime_dir(
		s->options->runtime_dir, s->config->runtime_dir);
	char *state_dir =
		paths_state_dir(s->options->state_dir, s->config->state_dir);
	int result = runtime_open(&s->runtime, runtime_dir, state_dir, err);

	free(runtime_dir);
	free(state_dir);
	return result;
}

static void
on_config_changed(void *user)
{
	supervisor_on_change(user, "watch");
}

static int
open_gateway(struct supervisor *s, struct error *err)
{
	char *worker_program = find_worker_program(err);

	if (!worker_program)
		return -1;
	gateway_init(&s->gateway, s->loop, s->config, s->runtime.runtime_dir,
		s->runtime.state_dir, worker_program);
	roster_init(&s->gateway);
	events_create(&s->gateway);
	free(worker_program);
	s->gateway.user = s;
	s->gateway.on_stopped = supervisor_on_stopped;
	s->gateway.on_call = commands_worker_call;
	channels_create(&s->gateway);
	schedules_create(&s->gateway);
	supervisor_serve_applies(s);
	watch_create(
		&s->gateway, &(struct watch_options){.all = s->options->watch,
				     .on_config = on_config_changed,
				     .user = s});
	telemetry_create(&s->gateway, s->config);
	s->gateway.history = history_open(s->runtime.state_dir);
	s->gateway.next_reload = history_last_number(s->gateway.history);
	return 0;
}

static int
open_doors(struct supervisor *s, struct error *err)
{
	int fd = -1; /* the control socket, if it was passed on */

	s->gateway.pages = page_press_create(&s->gateway);
	s->gateway.slices = slices_create(s->loop);
	s->http = http_server_create(&s->gateway, s->config);
	if (http_server_listen(s->http, s->config, err) < 0)
		return -1;
	if (inherited_count(&s->http->inherited, CONTROL_SOCKET) &&
		(fd = inherited_open(
			 &s->http->inherited, CONTROL_SOCKET, 0, err)) < 0)
		return -1;
	s->control = control_create(&s->gateway, s->runtime.runtime_dir, fd,
		s->config, on_shutdown, s, err);
	if (!s->control)
		return -1;
	s->chat = chat_create(&s->gateway, s->config);
	return 0;
}

static bool
is_own_child(const void *children, pid_t pid)
{
	return children_have(children, pid);
}

static int
start(struct supervisor *s, struct error *err)
{
	if (open_folders(s, err) < 0 || open_gateway(s, err) < 0)
		return -1;
	if (open_doors(s, err) < 0)
		return -1;
	reaper_start(&s->reaper, s->loop, is_own_child,
		&s->gateway.workers.children);
	log_info("supd " SUPD_VERSION " (pid %d) with %u plugin%s, %s",
		getpid(), s->config->plugin_count,
		s->config->plugin_count == 1 ? "" : "s",
		s->runtime.runtime_dir);
	supervisor_watch_ready(s);
	roster_start(&s->gateway);
	watch_refresh(s->gateway.watch);
	return 0;
}

static void
finish(struct supervisor *s)
{
	if (s->gateway.loop) {
		reaper_stop(&s->reaper);
		chat_destroy(s->chat);
		control_destroy(s->control);
		http_server_destroy(s->http);
		page_press_destroy(s->gateway.pages);
		slices_destroy(s->gateway.slices);
		watch_destroy(s->gateway.watch);
		roster_finish(&s->gateway);
		channels_destroy(s->gateway.channels);
		events_destroy(s->gateway.events);
		schedules_destroy(&s->gateway);
		telemetry_destroy(s->gateway.telemetry); /* the last spans */
		gateway_finish(&s->gateway);
		history_close(s->gateway.history);
	}
	if (s->runtime.runtime_dir)
		runtime_close(&s->runtime);
	notify_close();
	log_close();
	supervisor_forget_hups(s);
	supervisor_forget_ready(s);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		ev_signal_stop(s->loop, &s->signals[i]);
	ev_loop_destroy(s->loop);
	config_unref(s->config);
	free(s->config_file);
}

/* Problems of a package do not refuse the configuration, which would take all
 * other plugins down: that plugin alone fails to start, or runs from its last
 * proven stage. */
static struct config *
load_config(const char *file, struct problems *problems)
{
	struct config *config = config_load(file, problems);

	if (config)
		config_refuse_nothing(config, problems);
	if (!config || !problems->errors)
		return config;
	config_unref(config);
	return NULL;
}

int
supervisor_run(const struct supervisor_options *options)
{
	struct supervisor s = {.options = options};
	struct problems problems = {0};
	struct error err;
	int status = 0;

	s.config_file = paths_config_file(options->config_file);
	ignore_signals();
	open_log(options);
	s.config = load_config(s.config_file, &problems);
	if (s.config)
		supervisor_set_log(&s, s.config);
	supervisor_log_problems(&problems);
	problems_finish(&problems);
	if (!s.config) {
		log_close();
		free(s.config_file);
		return 1;
	}
	/* Not the default loop: its SIGCHLD handler steals exit statuses. */
	s.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
	ev_set_userdata(s.loop, &s);
	start_logging(&s);
	raise_descriptor_limit();
	notify_open(s.loop);
	if (start(&s, &err) < 0) {
		log_error("cannot start: %s", err.text);
		status = 1;
	} else {
		start_signals(&s);
		ev_run(s.loop, 0);
		log_info("stopped");
	}
	finish(&s);
	return status;
}

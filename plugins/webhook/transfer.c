#include "transfer.h"

#include <curl/curl.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS_MAX 5000
#define IDLE_CONNECTIONS_MAX 32

struct transfers {
	struct sup *plugin;
	CURLM *multi;
	ev_timer timer;
};

struct transfer {
	struct transfers *all;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE], retry_after[80];
	void (*done)(const struct transfer_result *result, void *user);
	void *user;
};

/* ---- libcurl's sockets and its timer as watchers ---- */

static struct ev_loop *
loop_of(struct transfers *all)
{
	return sup_loop(all->plugin);
}

static void
transfer_destroy(struct transfer *t)
{
	curl_multi_remove_handle(t->all->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}

static void
finish(struct transfer *t, CURLcode code)
{
	struct transfer_result result = {.error = ""};
	void (*done)(const struct transfer_result *, void *) = t->done;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &result.status);
	if (result.status < 200) /* a "100 Continue" and no more */
		result.status = 0;
	if (!result.status)
		result.error = *t->error ? t->error : curl_easy_strerror(code);
	if (*t->retry_after)
		result.retry_after = t->retry_after;
	done(&result, t->user);
	transfer_destroy(t);
}

/* A message is gone once its handle is removed: taken first, then told. */
static void
collect(struct transfers *all)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(all->multi, &left))) {
		CURLcode code = message->data.result;
		char *t;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		finish((struct transfer *)(void *)t, code);
	}
}

static void
on_socket(struct ev_loop *loop, ev_io *w, int events)
{
	struct transfers *all = w->data;
	int what = (events & EV_READ ? CURL_CSELECT_IN : 0) |
		   (events & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(all->multi, w->fd, what, &running);
	collect(all);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct transfers *all = w->data;
	int running;

	curl_multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(all);
}

static int
watch(CURL *easy, curl_socket_t fd, int what, void *user, void *socket)
{
	struct transfers *all = user;
	ev_io *w = socket;
	int events = (what & CURL_POLL_IN ? EV_READ : 0) |
		     (what & CURL_POLL_OUT ? EV_WRITE : 0);

	if (w)
		ev_io_stop(loop_of(all), w);
	if (what == CURL_POLL_REMOVE) {
		free(w);
		return 0;
	}
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -1;
		ev_init(w, on_socket);
		w->data = all;
		curl_multi_assign(all->multi, fd, w);
	}
	ev_io_set(w, fd, events);
	ev_io_start(loop_of(all), w);
	return 0;
}

static int
set_timer(CURLM *multi, long ms, void *user)
{
	struct transfers *all = user;

	ev_timer_stop(loop_of(all), &all->timer);
	if (ms < 0)
		return 0;
	ev_timer_set(&all->timer, (double)ms / 1000, 0);
	ev_timer_start(loop_of(all), &all->timer);
	return 0;
}

struct transfers *
transfers_create(struct sup *p)
{
	struct transfers *all = calloc(1, sizeof(*all));

	if (!all || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(all);
		return NULL;
	}
	signal(SIGPIPE, SIG_IGN); /* a server that closes ends only its own */
	all->plugin = p;
	all->multi = curl_multi_init();
	ev_init(&all->timer, on_timer);
	all->timer.data = all;
	if (!all->multi) {
		free(all);
		return NULL;
	}
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
	curl_multi_setopt(
		all->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
	return all;
}

/* ---- one ---- */

static size_t
drop(char *bytes, size_t one, size_t size, void *user)
{
	return one * size;
}

/* Of a "100 Continue" or of the answer: the last one counts. */
static size_t
take_header(char *line, size_t one, size_t size, void *user)
{
	static const char name[] = "retry-after:";
	struct transfer *t = user;
	size_t skip = sizeof(name) - 1, end = size;

	if (size >= 5 && !strncmp(line, "HTTP/", 5))
		*t->retry_after = 0;
	if (size < skip || strncasecmp(line, name, skip) != 0)
		return size;
	while (skip < end && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	while (end > skip && strchr(" \t\r\n", line[end - 1]))
		end--;
	snprintf(t->retry_after, sizeof(t->retry_after), "%.*s",
		(int)(end - skip), line + skip);
	return size;
}

static void
set_options(struct transfer *t, const struct transfer_order *o)
{
	CURL *e = t->easy;
	long connect_ms = o->timeout_ms < CONNECT_MS_MAX ? (long)o->timeout_ms
							 : CONNECT_MS_MAX;

	curl_easy_setopt(e, CURLOPT_URL, o->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (o->ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, o->ca);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)o->body_bytes);
	curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, o->body);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
}

static bool
set_headers(struct transfer *t, const char *const *headers)
{
	for (; *headers; headers++) {
		struct curl_slist *more =
			curl_slist_append(t->headers, *headers);

		if (!more)
			return false;
		t->headers = more;
	}
	return true;
}

struct transfer *
transfer_begin(struct transfers *all, const struct transfer_order *order)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->all = all;
	t->done = order->done;
	t->user = order->user;
	t->easy = curl_easy_init();
	if (!t->easy || !set_headers(t, order->headers)) {
		curl_easy_cleanup(t->easy);
		curl_slist_free_all(t->headers);
		free(t);
		return NULL;
	}
	set_options(t, order);
	if (curl_multi_add_handle(all->multi, t->easy)) {
		transfer_destroy(t);
		return NULL;
	}
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	transfer_destroy(t);
}

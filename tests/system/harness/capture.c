/* capture: see capture.h. It never interprets what it reads. */
#include "tests/system/harness/capture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/memory.h"

static void
add(struct capture *c, const char *bytes, size_t size)
{
	pthread_mutex_lock(&c->lock);
	c->text = memory_resize(c->text, c->length + size + 1);
	for (size_t i = 0; i < size; i++)
		c->text[c->length++] = bytes[i] ? bytes[i] : '?';
	c->text[c->length] = 0;
	pthread_cond_broadcast(&c->grown);
	pthread_mutex_unlock(&c->lock);
}

static void *
read_all(void *user)
{
	struct capture *c = user;
	char bytes[16 * 1024];
	ssize_t got;

	while ((got = read(c->fd, bytes, sizeof(bytes))) > 0)
		add(c, bytes, (size_t)got);
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	pthread_cond_broadcast(&c->grown);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

void
capture_start(struct capture *c, int fd)
{
	pthread_condattr_t attributes;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->text = memory_copy_text("");
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->grown, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_create(&c->thread, NULL, read_all, c);
}

void
capture_finish(struct capture *c)
{
	pthread_join(c->thread, NULL);
	close(c->fd);
	free(c->text);
	pthread_cond_destroy(&c->grown);
	pthread_mutex_destroy(&c->lock);
}

bool
capture_await(
	struct capture *c, size_t from, const char *needle, int timeout_ms)
{
	struct timespec until;
	bool found, late = false;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&c->lock);
	while (!(found = from <= c->length && strstr(c->text + from, needle)) &&
		!c->ended && !late)
		late = pthread_cond_timedwait(&c->grown, &c->lock, &until);
	pthread_mutex_unlock(&c->lock);
	return found;
}

size_t
capture_length(struct capture *c)
{
	size_t length;

	pthread_mutex_lock(&c->lock);
	length = c->length;
	pthread_mutex_unlock(&c->lock);
	return length;
}

char *
capture_copy(struct capture *c)
{
	char *copy;

	pthread_mutex_lock(&c->lock);
	copy = memory_copy_text(c->text);
	pthread_mutex_unlock(&c->lock);
	return copy;
}

unsigned
capture_count(struct capture *c, size_t from, const char *needle)
{
	unsigned count = 0;

	pthread_mutex_lock(&c->lock);
	for (const char *at = c->text + from; (at = strstr(at, needle)); at++)
		count++;
	pthread_mutex_unlock(&c->lock);
	return count;
}

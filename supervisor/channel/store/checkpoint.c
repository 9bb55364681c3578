/* checkpoint: a thread for each. Its failures are not reported: the next group
 * or the caller's own checkpoint meets the same. */
#include "supervisor/channel/store/checkpoint.h"

#include "proto/util/list.h"

#define STACK_BYTES ((size_t)256 * 1024)

/* A connection that has read nothing does not know that there is a log. */
static int
open_own(struct checkpoint *c)
{
	if (c->handle)
		return SQLITE_OK;
	c->code = sqlite3_open_v2(c->db->path, &c->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (c->code != SQLITE_OK)
		return c->code;
	return sqlite3_exec(
		c->handle, "SELECT seq FROM base", NULL, NULL, NULL);
}

static void *
run(void *user)
{
	struct checkpoint *c = user;

	c->code = open_own(c);
	if (c->code == SQLITE_OK)
		c->code = sqlite3_wal_checkpoint_v2(
			c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	ev_async_send(c->loop, &c->ended);
	return NULL;
}

static void
join(struct checkpoint *c)
{
	if (!c->is_running)
		return;
	pthread_join(c->thread, NULL);
	c->is_running = false;
}

static void
on_ended(struct ev_loop *loop, ev_async *w, int events)
{
	join(container_of(w, struct checkpoint, ended));
}

static void
begin(struct checkpoint *c)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	c->is_running = pthread_create(&c->thread, &attributes, run, c) == 0;
	pthread_attr_destroy(&attributes);
}

void
checkpoint_init(struct checkpoint *c, struct ev_loop *loop, struct db *db)
{
	*c = (struct checkpoint){
		.loop = loop, .db = db, .next_pages = CHECKPOINT_PAGES};
	ev_async_init(&c->ended, on_ended);
	ev_async_start(loop, &c->ended);
}

int
checkpoint_look(struct checkpoint *c)
{
	int pages = c->db->wal_pages;

	if (pages < c->next_pages - CHECKPOINT_PAGES)
		c->next_pages = CHECKPOINT_PAGES; /* the log began anew */
	if (pages < c->next_pages || c->is_running)
		return 0;
	c->next_pages = pages + CHECKPOINT_PAGES;
	if (pages >= CHECKPOINT_PAGES_MAX)
		return db_checkpoint(c->db);
	begin(c);
	return 0;
}

void
checkpoint_finish(struct checkpoint *c)
{
	join(c);
	sqlite3_close(c->handle);
	c->handle = NULL;
	c->next_pages = CHECKPOINT_PAGES;
}

/* server_listen: opens the listeners and the access log of a configuration:
 * first the new ones, all or none; then closes the old ones. */
#include <string.h>

#include "proto/util/log.h"
#include "supervisor/http/listener.h"
#include "supervisor/http/server.h"

static struct listener *
find_listener(const struct http_server *s, const char *name)
{
	list_for_each (node, &s->listeners) {
		struct listener *l = container_of(node, struct listener, node);

		if (!strcmp(l->name, name))
			return l;
	}
	return NULL;
}

static bool
config_has_listener(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->listen.count; i++)
		if (!strcmp(config->listen.items[i].http, name))
			return true;
	return false;
}

static void
close_all(struct list *listeners)
{
	list_for_each_safe (node, listeners)
		listener_close(container_of(node, struct listener, node));
}

/* Lets old and new listeners share a port until the old ones are closed, as
 * 127.0.0.1:80 and 0.0.0.0:80 do. */
static void
share_ports(struct http_server *s, bool share)
{
	list_for_each (node, &s->listeners)
		listener_share_port(
			container_of(node, struct listener, node), share);
}

static int
open_new(struct http_server *s, const struct config_listener *item,
	struct error *err)
{
	bool inherited = config_listener_is_inherited(item);
	const char *name = item->http + strlen(CONFIG_LISTENER_FD);
	uint32_t count = inherited ? inherited_count(&s->inherited, name) : 1;
	struct listener *l;

	/* at least one try, which reports that there is no socket */
	for (uint32_t i = 0; i < (count ? count : 1); i++) {
		l = inherited ? listener_open_inherited(s, item, i, err)
			      : listener_open(s, item,
					!list_is_empty(&s->listeners), err);
		if (!l)
			return -1;
		list_append(&s->fresh, &l->node);
	}
	return 0;
}

int
http_server_open_new(
	struct http_server *s, const struct config *config, struct error *err)
{
	int result = 0;

	share_ports(s, true);
	for (uint32_t i = 0; i < config->listen.count && !result; i++)
		if (!find_listener(s, config->listen.items[i].http))
			result = open_new(s, &config->listen.items[i], err);
	share_ports(s, false);
	if (!result)
		result = access_open_new(&s->access, config, err);
	if (result)
		http_server_close_new(s);
	return result;
}

void
http_server_keep_new(struct http_server *s, const struct config *config)
{
	access_keep_new(&s->access, config);
	list_for_each_safe (node, &s->listeners) {
		struct listener *l = container_of(node, struct listener, node);

		if (!config_has_listener(config, l->name)) {
			log_info("http: no longer listening on %s", l->name);
			listener_accept_rest(l);
			listener_close(l);
		}
	}
	list_for_each_safe (node, &s->fresh) {
		struct listener *l = container_of(node, struct listener, node);

		list_remove(&l->node);
		list_append(&s->listeners, &l->node);
		if (!s->accept_paused)
			listener_resume(l);
		log_info("http: listening on %s", l->name);
	}
}

void
http_server_close_new(struct http_server *s)
{
	close_all(&s->fresh);
	access_close_new(&s->access);
}

int
http_server_listen(
	struct http_server *s, const struct config *config, struct error *err)
{
	if (http_server_open_new(s, config, err) < 0)
		return -1;
	http_server_keep_new(s, config);
	return 0;
}

int
http_server_reopen_access(struct http_server *s, struct error *err)
{
	return access_reopen(&s->access, err);
}

void
http_server_stop_accepting(struct http_server *s)
{
	close_all(&s->listeners);
}

/* settings: the plugin's settings as hello brought them, by path. */
#include <stdlib.h>

#include "proto/json_text.h"
#include "worker/host.h"
#include "worker/request.h"

const char *
sup_setting_string(struct sup *p, const char *path, const char *fallback)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(path, "path");

	const char *text = json_text_value(json_at_path(p->settings, path));

	return text ? text : fallback;
}

int64_t
sup_setting_int(struct sup *p, const char *path, int64_t fallback)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(path, "path");

	const json_t *value = json_at_path(p->settings, path);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool
sup_setting_bool(struct sup *p, const char *path, bool fallback)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(path, "path");

	const json_t *value = json_at_path(p->settings, path);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

const char *
sup_settings_json(struct sup *p)
{
	HOST_NEEDS(p, "p");
	if (!p->settings_json)
		p->settings_json = json_text(p->settings, JSON_TEXT_SORTED);
	return p->settings_json;
}

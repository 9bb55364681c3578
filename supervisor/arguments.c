/* arguments: see arguments.h. */
#include "supervisor/arguments.h"

#include <string.h>

#include "proto/util/near.h"

const struct argp_option argument_rows[] = {
	{"config", ARGUMENT_CONFIG, "FILE", 0,
		"the configuration (default: $SUPD_CONFIG, then "
		"/etc/supd/supd.yaml)",
		0},
	{"check", ARGUMENT_CHECK, 0, 0,
		"check the configuration and manifests, print every problem, "
		"start nothing",
		0},
	{"watch", ARGUMENT_WATCH, 0, 0,
		"watch all plugins and the configuration, and reload what "
		"changes",
		0},
	{"runtime-dir", ARGUMENT_RUNTIME, "DIR", 0,
		"where the control socket is", 0},
	{"state-dir", ARGUMENT_STATE, "DIR", 0,
		"where state that outlives supd is kept", 0},
	{"log-level", ARGUMENT_LEVEL, "LEVEL", 0, "error, warn, info or debug",
		0},
	{"log-format", ARGUMENT_FORMAT, "FORMAT", 0, "text or json", 0},
	{0},
};

static const char *const argp_own[] = {"help", "usage", "version", NULL};

static const struct argp_option *
find(const char *name, size_t length)
{
	static const struct argp_option own;

	for (const struct argp_option *row = argument_rows; row->name; row++)
		if (strlen(row->name) == length &&
			!memcmp(row->name, name, length))
			return row;
	for (size_t i = 0; argp_own[i]; i++)
		if (strlen(argp_own[i]) == length &&
			!memcmp(argp_own[i], name, length))
			return &own;
	return NULL;
}

static const char *
find_near(const char *name)
{
	struct near near;

	near_init(&near, name);
	for (const struct argp_option *row = argument_rows; row->name; row++)
		near_offer(&near, row->name);
	for (size_t i = 0; argp_own[i]; i++)
		near_offer(&near, argp_own[i]);
	return near.best;
}

const char *
arguments_find_wrong(int argc, char **argv, const char **near_out)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		const struct argp_option *row;
		const char *name;
		size_t length;

		if (strncmp(argv[i], "--", 2)) {
			i += !strcmp(argv[i], "-c"); /* its value */
			continue;
		}
		name = argv[i] + 2;
		length = strcspn(name, "=");
		row = find(name, length);
		if (!row) {
			*near_out = find_near(name);
			return argv[i];
		}
		i += row->arg && !name[length];
	}
	return NULL;
}

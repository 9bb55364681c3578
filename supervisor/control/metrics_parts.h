/* metrics_parts: what the tables of metrics have in common. Each group of
 * families is a table in a file of its own; metrics_view.c walks them all. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/metrics.h"

struct figures {
	struct metrics_writer *w;
	const struct gateway *g;
	const struct plugin *p;		       /* NULL in a group about supd */
	const struct metrics_process *process; /* supd itself */
	uint64_t started_ms;		       /* since 1970 */
};

/* A family: its samples, of supd or of one plugin. */
struct metrics_row {
	const char *name;
	enum metrics_type type;
	const char *help;
	void (*write)(const struct figures *v);
};

struct metrics_group {
	const struct metrics_row *rows;
	size_t count;
};

#define METRICS_GROUP(rows)                                                    \
	{                                                                      \
		rows, sizeof(rows) / sizeof(*(rows))                           \
	}

/* About supd. */
extern const struct metrics_group metrics_gateway, metrics_door,
	metrics_telemetry, metrics_process;
/* About each plugin. No label changes with each start (as pid and generation
 * do), so a series lives as long as its plugin is configured. */
extern const struct metrics_group metrics_life, metrics_usage, metrics_request,
	metrics_websocket, metrics_hook, metrics_worker, metrics_channel;

/* Reads what workers use, a few processes a call; *at begins with 0. true: all
 * are read. */
bool metrics_usage_read(const struct gateway *g, uint32_t *at);

/* A sample, of the plugin if there is one; the second with one more label. */
void figures_put(const struct figures *v, double value);
void figures_put_labelled(const struct figures *v, const char *name,
	const char *text, double value);
/* A sample for each of `values`, labelled with its text; NULL: none. */
void figures_put_each(const struct figures *v, const char *name,
	const char *const *texts, const uint64_t *values, int count);

/* Defines the writer of a family that is one number. */
#define FIGURE(name, expression)                                               \
	static void name(const struct figures *v)                              \
	{                                                                      \
		figures_put(v, (double)(expression));                          \
	}

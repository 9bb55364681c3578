/* metrics_telemetry: exports of spans, lines and metrics. */
#include "supervisor/control/metrics_parts.h"

static const struct records *
records_of(const struct figures *v)
{
	return &v->g->workers.tracer.records;
}

static void
exported(const struct figures *v)
{
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		figures_put_labelled(v, "signal", record_signal_texts[i],
			(double)records_of(v)->totals[i].exported);
}

static void
put_dropped(const struct figures *v, int signal, int reason)
{
	struct metrics_label labels[] = {
		{"signal", record_signal_texts[signal]},
		{"reason", record_drop_texts[reason]}};

	metrics_sample(v->w, labels, 2,
		(double)records_of(v)->totals[signal].dropped[reason]);
}

static void
dropped(const struct figures *v)
{
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		for (int k = 0; k < RECORD_DROP_COUNT; k++)
			put_dropped(v, i, k);
}

static void
failing(const struct figures *v)
{
	figures_put(v, records_of(v)->is_failing);
}

static const struct metrics_row rows[] = {
	{"supd_telemetry_exported_total", METRICS_COUNTER,
		"Spans, log lines and parts of pages of metrics that the "
		"collector accepted.",
		exported},
	{"supd_telemetry_dropped_total", METRICS_COUNTER,
		"Spans, log lines and parts of pages of metrics dropped, by "
		"reason.",
		dropped},
	{"supd_telemetry_failing", METRICS_GAUGE,
		"1 if the last export failed.", failing},
};
const struct metrics_group metrics_telemetry = METRICS_GROUP(rows);

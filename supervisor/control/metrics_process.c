/* metrics_process: supd's own process, without its workers. The names are those
 * that all Prometheus clients use, so that dashboards know them. */
#include "supervisor/control/metrics_parts.h"

FIGURE(start_time, (double)v->started_ms / 1e3)
FIGURE(resident, v->process->resident_bytes)
FIGURE(virtual_memory, v->process->virtual_bytes)
FIGURE(cpu, v->process->cpu_seconds)
FIGURE(open_fds, v->process->open_fds)
FIGURE(max_fds, v->process->max_fds)

static const struct metrics_row rows[] = {
	{"process_start_time_seconds", METRICS_GAUGE,
		"When supd was started, seconds since 1970.", start_time},
	{"process_cpu_seconds_total", METRICS_COUNTER,
		"User and system time of supd.", cpu},
	{"process_resident_memory_bytes", METRICS_GAUGE,
		"Resident memory of supd, without its workers.", resident},
	{"process_virtual_memory_bytes", METRICS_GAUGE,
		"Virtual memory of supd.", virtual_memory},
	{"process_open_fds", METRICS_GAUGE,
		"File descriptors that supd has open.", open_fds},
	{"process_max_fds", METRICS_GAUGE,
		"File descriptors that supd may have open.", max_fds},
};
const struct metrics_group metrics_process = METRICS_GROUP(rows);

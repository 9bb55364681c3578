/* exporter: the root object of supd-export: one sender for each signal, their
 * target, and the socket to supd. */
#pragma once

#include <jansson.h>

#include "supervisor/telemetry/export/sender.h"

#define EXPORTER_END_MS 1200 /* to send what is left when supd has ended */

struct exporter {
	int fd; /* to supd */
	CURLM *multi;
	struct sender_target target;
	struct sender senders[RECORD_SIGNAL_COUNT];
	struct curl_slist *old_headers; /* of the settings before */
	char *endpoint;
	struct buffer resource; /* JSON */
	struct buffer in, out;	/* from and to supd */
	bool has_ended;		/* supd sends nothing more */
	uint64_t end_ms;
	uint64_t reported_ms;
	struct buffer reported; /* the last report */
};

void exporter_init(struct exporter *x, int fd);
void exporter_run(struct exporter *x);
void exporter_finish(struct exporter *x);

/* ---- link.c ---- */
/* Reads from the socket; records go to the senders. */
void link_read(struct exporter *x);
/* Reports what became of the records, if that has changed. Returns when to call
 * it again, in clock_ms(); 0: when something happens. */
uint64_t link_report(struct exporter *x, uint64_t now_ms);
/* New settings: {endpoint, headers, resource, timeout_ms}. */
void exporter_configure(struct exporter *x, const char *endpoint,
	const json_t *headers, const json_t *resource, uint64_t timeout_ms);

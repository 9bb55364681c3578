/* units: parses and formats durations and sizes. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses "500ms", "10s", "5m", "1h", "7d", "0"; other numbers need a unit. */
bool duration_parse(const char *text, uint64_t *ms_out);
/* "512", "512B", "64KiB", "1MiB", "2GiB" */
bool size_parse(const char *text, uint64_t *bytes_out);

#define UNIT_TEXT_BYTES 32
/* Formats in the largest unit that gives a whole number. Both return `out`. */
const char *duration_format(uint64_t ms, char out[UNIT_TEXT_BYTES]);
const char *size_format(uint64_t bytes, char out[UNIT_TEXT_BYTES]);

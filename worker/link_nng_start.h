/* link_nng_start: what libnng is told while it starts its threads. */
#pragma once

#include <stdbool.h>

/* While on, there is one CPU and threads get no names. */
void link_nng_starts(bool on);

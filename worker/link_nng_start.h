/* link_nng_start: what libnng sees while it starts its threads. */
#pragma once

#include <stdbool.h>

/* While on, libnng sees one CPU, threads get no names, and a thread that cannot
 * be created ends the process with LAUNCH_EXIT_SHORT. */
void link_nng_starts(bool on);

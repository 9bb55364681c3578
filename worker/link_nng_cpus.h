/* link_nng_cpus: how many CPUs libnng believes in. */
#pragma once

#include <stdbool.h>

/* While on, sysconf() knows of one CPU. */
void link_nng_one_cpu(bool on);

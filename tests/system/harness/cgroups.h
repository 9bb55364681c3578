/* cgroups: the folder of the cgroups of a run's workers, as supd's log names
 * it. */
#pragma once

struct gateway_run;

/* supd ended by itself, and has removed it. */
void cgroups_expect_none(struct gateway_run *g);
/* Removes what a supd that was killed has left, once nothing is in it. */
void cgroups_clean_up(struct gateway_run *g);

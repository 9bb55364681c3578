/* polite: low priority while working on large packages. */
#pragma once

/* Low priority for this process's CPU and disk use, from now on. The
 * session should be its own. */
void polite_now(void);

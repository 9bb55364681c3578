/* inherited: descriptors that supd was started with. */
#pragma once

/* Keeps descriptors that supd was started with, stdio excepted, from its
 * children: they get neither open files of supd's parent nor passed sockets.
 * The descriptors stay open in supd, which may depend on them (a lock by `flock
 * -F`, a configuration from a pipe). Closed stdio becomes /dev/null, so that no
 * later file takes its number. */
void inherited_keep(void);

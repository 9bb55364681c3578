/* fault: what its two files share. */
#pragma once

/* raw.c: runs before the host does; if the mode is one of before hello, it
 * never returns. */
void raw_run(const char *mode);
/* The same modes when they become known too late, from the settings that
 * hello's answer brought: what can still be done wrong is done. */
void raw_run_late(const char *mode);
/* `mode` in the manifest's settings, which can be read before hello, or NULL.
 * The text is static. */
const char *raw_mode_of_manifest(void);
/* The descriptor of the link to supd, whichever link it is; -1 if not found. */
int raw_link_fd(void);
/* Bytes that are neither SP nor MessagePack. */
void raw_garbage(int fd);

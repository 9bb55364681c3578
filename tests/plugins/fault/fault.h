/* fault: what its two files share. */
#pragma once

/* raw.c: runs before the host does; acts on FAULT_MODE if it is its. */
void raw_run(const char *mode);
/* The descriptor of the link to supd, whichever link it is; -1 if not found. */
int raw_link_fd(void);
/* Bytes that are neither SP nor MessagePack. */
void raw_garbage(int fd);

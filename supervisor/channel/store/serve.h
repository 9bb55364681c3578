/* serve: the requests of supd, one after the other, from a socket; the answers
 * in the same order, each after its group is on the disk. It ends when supd
 * closes the socket, or with SIGTERM, after committing what it has read. */
#pragma once

#define SERVE_REOPEN_S 1. /* pause between tries to open the database */

/* Takes over the socket; the status to exit with. */
int serve_run(int socket, const char *path);

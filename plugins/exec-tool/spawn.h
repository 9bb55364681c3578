/* spawn: starts a program in a group of its own. */
#pragma once

#include <sys/types.h>

/* fds become 0, 1 and 2 of the program, and it gets no others. It leads a new
 * process group and dies with the worker. -1: errno says why it did not start.
 */
pid_t spawn(char *const *command, char *const *environment, const int fds[3]);

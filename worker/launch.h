/* launch: what a worker does before any code of the plugin runs, and executing
 * a program that speaks the wire itself. Knows no message and no plugin. */
#pragma once

#include "proto/util/error.h"

/* A session of its own, death with the parent, signals at their defaults,
 * environment checked. Exits LAUNCH_EXIT_ORPHAN if the parent is gone. */
int launch_prepare(struct error *err);
/* Executes argv[0] in place of this process; returns only if that fails. */
int launch_exec(char **argv, struct error *err);

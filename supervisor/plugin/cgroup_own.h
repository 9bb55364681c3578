/* cgroup_own: which cgroup of version 2 supd runs in, and whether it may make
 * others below it. systemd is the only one to write to the tree that it made,
 * but for what it delegates; without a delegation no folder is made in it:
 *
 *   - a cgroup with the attribute user.delegate or trusted.delegate = 1 may be
 *     used, as systemd gives to units with Delegate=yes;
 *   - so may one that lies in a unit's (NAME.service, .scope and so on, of the
 *     nearest one the path names) if that one has the attribute;
 *   - otherwise one in a unit's may not, and neither may any other where
 *     systemd runs or has started supd: what is left is the root of a
 *     container, and a machine without systemd.
 *
 * The rule that cgroups with processes have none below them is for those that
 * hand on controllers; supd hands on none. */
#pragma once

#include <stdbool.h>

#include "proto/util/error.h"

/* The files to read; tests use files of their own. */
struct cgroup_sources {
	const char *mounts;   /* as /proc/self/mountinfo */
	const char *self;     /* as /proc/self/cgroup */
	bool systemd_is_here; /* as the init, or as what started supd */
};

struct cgroup_sources cgroup_sources(void);

/* The folder, freed by the caller. NULL: there is none, or it may not be used;
 * err says why. */
char *cgroup_own(const struct cgroup_sources *from, struct error *err);

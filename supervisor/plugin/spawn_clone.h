/* spawn_clone: clone() of a process that begins in a cgroup. The C library has
 * no function for it: only clone3() takes a cgroup, and a child that shares
 * memory needs a stack of its own before it runs any C. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Like clone(), with SIGCHLD as the exit signal. flags must contain CLONE_VM
 * and CLONE_VFORK, and main_function must not return. -1: see errno; ENOSYS on
 * processors without an implementation. */
pid_t spawn_clone_into(int cgroup, unsigned flags, void *stack,
	size_t stack_bytes, int (*main_function)(void *), void *user);

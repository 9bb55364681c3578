#include "supervisor/plugin/spawn_clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

/* The child has the parent's registers, except the stack pointer and the
 * result, so it can call a function at once. It must not return here, because
 * the frame belongs to the parent. */
#if defined(__x86_64__)
static long
clone_and_call(
	const struct clone_args *args, int (*main_function)(void *), void *user)
{
	register int (*function)(void *) __asm__("r12") = main_function;
	register void *argument __asm__("r13") = user;
	long result = SYS_clone3;

	__asm__ volatile(
		"syscall\n\t"
		"testq %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"xorl %%ebp, %%ebp\n\t"
		"movq %%r13, %%rdi\n\t"
		"callq *%%r12\n\t"
		"hlt\n"
		"1:"
		: "+a"(result)
		: "D"(args), "S"(sizeof(*args)), "r"(function), "r"(argument)
		: "rcx", "r11", "memory", "cc");
	return result;
}
#elif defined(__aarch64__)
static long
clone_and_call(
	const struct clone_args *args, int (*main_function)(void *), void *user)
{
	register long first __asm__("x0") = (long)args;
	register long size __asm__("x1") = (long)sizeof(*args);
	register long number __asm__("x8") = SYS_clone3;
	register int (*function)(void *) __asm__("x9") = main_function;
	register void *argument __asm__("x10") = user;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x30, #0\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(first)
			 : "r"(size), "r"(number), "r"(function), "r"(argument)
			 : "memory", "cc");
	return first;
}
#else
static long
clone_and_call(
	const struct clone_args *args, int (*main_function)(void *), void *user)
{
	(void)args, (void)main_function, (void)user;
	return -ENOSYS;
}
#endif

pid_t
spawn_clone_into(int cgroup, unsigned flags, void *stack, size_t stack_bytes,
	int (*main_function)(void *), void *user)
{
	const struct clone_args args = {.flags = flags | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = stack_bytes,
		.cgroup = (uint64_t)cgroup};
	long result = clone_and_call(&args, main_function, user);

	if (result >= 0)
		return (pid_t)result;
	errno = (int)-result;
	return -1;
}

/* shell: see shell.h. The script goes through a file: nothing is quoted. */
#include "tests/system/harness/shell.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

static void
set_program(const char *name, const char *path)
{
	char *whole = memory_format("%s/%s", run_build_root(), path);

	setenv(name, whole, 1);
	free(whole);
}

static char *
run(struct gateway_run *g, int *exit_code_out, const char *format, va_list list)
{
	char *text = NULL, *file = memory_format("%s/script", g->dir);
	char *command = memory_format("exec bash %s 2>&1 </dev/null", file);
	struct buffer out = {0};
	size_t got;
	FILE *pipe;

	cr_assert(vasprintf(&text, format, list) >= 0);
	files_write(file, "%s\n", text);
	set_program("SUPCTL", "tools/supctl/supctl");
	set_program("SUPD", "supervisor/supd");
	setenv("SUPCTL_SOCKET", g->control, 1);
	pipe = popen(command, "r");
	cr_assert(pipe);
	while ((got = fread(buffer_reserve(&out, 4096), 1, 4096, pipe)) > 0)
		buffer_commit(&out, got);
	*exit_code_out = WEXITSTATUS(pclose(pipe));
	buffer_append(&out, "", 1);
	free(command);
	free(file);
	free(text);
	return (char *)out.memory;
}

char *
shell_run(struct gateway_run *g, int *exit_code_out, const char *format, ...)
{
	va_list list;
	char *out;

	va_start(list, format);
	out = run(g, exit_code_out, format, list);
	va_end(list);
	return out;
}

char *
shell_expect(struct gateway_run *g, int exit_code, const char *format, ...)
{
	va_list list;
	char *out;
	int code;

	va_start(list, format);
	out = run(g, &code, format, list);
	va_end(list);
	cr_assert_eq(code, exit_code, "%s: exit %d, not %d: %s", format, code,
		exit_code, out);
	return out;
}

bool
shell_has(const char *program)
{
	char *command = memory_format("command -v %s >/dev/null", program);
	bool has = !system(command);

	free(command);
	return has;
}

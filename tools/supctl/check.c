/* check: runs `supd --check`, which needs no daemon, and passes on what it
 * says. It finds the supd that belongs to this supctl. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"

#define SUCCESS_LINE "no errors\n" /* that supd prints */

/* Beside supctl, in its build folder, where it was installed, or in $PATH. */
static char *
find_supd(void)
{
	static const char *const programs[] = {
		"supd", "../sbin/supd", "../../supervisor/supd"};
	char *folder = supctl_own_folder(), *path = NULL;

	for (size_t i = 0; !path && i < sizeof(programs) / sizeof(*programs);
		i++) {
		path = memory_format("%s/%s", folder, programs[i]);
		if (access(path, X_OK)) {
			free(path);
			path = NULL;
		}
	}
	free(folder);
	if (!path && !access(SUPD_SBINDIR "/supd", X_OK))
		path = memory_copy_text(SUPD_SBINDIR "/supd");
	return path ? path : memory_copy_text("supd");
}

static pid_t
start_supd(const struct options *o, const char *supd, int out)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (o->word_count)
		execlp(supd, "supd", "--check", "-c", o->words[0], NULL);
	else
		execlp(supd, "supd", "--check", NULL);
	fprintf(stderr, "supctl: cannot run %s: %s\n", supd, strerror(errno));
	_exit(127);
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : EXIT_FAILURE;
}

/* "FILE:LINE:COLUMN: text", or as much of it as there is. */
static json_t *
read_problem(char *line)
{
	int number = 0, column = 0, after = 0;
	char *colon = line;

	line[strcspn(line, "\n")] = 0;
	while ((colon = strchr(colon, ':')) != NULL) {
		if (sscanf(colon, ":%d:%d: %n", &number, &column, &after) ==
				2 &&
			after)
			break;
		colon++;
	}
	if (!colon)
		return json_pack("{s:s?}", "message", line);
	*colon = 0;
	return json_pack("{s:s?,s:i,s:i,s:s?}", "file", line, "line", number,
		"column", column, "message", colon + after);
}

static int
check_as_document(const struct options *o, const char *supd)
{
	json_t *problems = json_array(), *document;
	char *line = NULL;
	size_t size = 0;
	int ends[2], exit_code;
	FILE *from;
	pid_t pid;

	if (pipe(ends))
		return supctl_fail(
			o, EXIT_FAILURE, "pipe: %s", strerror(errno));
	pid = start_supd(o, supd, ends[1]);
	close(ends[1]);
	from = fdopen(ends[0], "r");
	while (getline(&line, &size, from) >= 0)
		if (strcmp(line, SUCCESS_LINE))
			json_array_append_new(problems, read_problem(line));
	free(line);
	fclose(from);
	exit_code = wait_for(pid);
	document = json_pack(
		"{s:b,s:o}", "success", !exit_code, "problems", problems);
	supctl_print_json(document);
	json_decref(document);
	return exit_code;
}

static void
on_alarm(int signal)
{
	static const char text[] = "supctl: timed out waiting for the check\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_TIMED_OUT);
	_exit(EXIT_TIMED_OUT);
}

/* The end of supctl is that of the check, too. */
static void
limit_time(const struct options *o)
{
	uint64_t ms = o->timeout_ms ? o->timeout_ms : 1;
	struct itimerval limit = {.it_value = {(time_t)(ms / 1000),
					  (suseconds_t)(ms % 1000 * 1000)}};

	if (o->timeout_ms == TIMEOUT_UNSET)
		return;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &limit, NULL);
}

int
verb_check(const struct options *o)
{
	char *supd = find_supd();
	int exit_code;

	limit_time(o);
	exit_code = o->json ? check_as_document(o, supd)
			    : wait_for(start_supd(o, supd, -1));

	free(supd);
	return exit_code;
}

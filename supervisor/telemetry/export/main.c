/* main: supd-export: takes records from supd on its descriptor 1 and posts them
 * to an OpenTelemetry collector. Only supd starts it. It ends when supd closes
 * the socket or shuts it down for writing. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/telemetry/export/exporter.h"

#define NICE 10

int
main(int argc, char **argv)
{
	struct exporter exporter;
	struct stat st;

	(void)argc, (void)argv;
	if (fstat(STDOUT_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("supd-export is started by supd\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* requests of clients come first */
	setpriority(PRIO_PROCESS, 0, NICE);
	exporter_init(&exporter, STDOUT_FILENO);
	exporter_run(&exporter);
	link_report(&exporter, UINT64_MAX);
	exporter_finish(&exporter);
	return 0;
}

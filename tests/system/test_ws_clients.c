/* Real clients on a plugin's WebSocket path, over a reload: Debian's
 * python3-websockets and node-ws. Without one of them its tests say so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"

TestSuite(ws_clients, .fini = run_fini, .timeout = 300);

#define NOT_INSTALLED 77

static void
run_client(const char *package, const char *command)
{
	struct gateway_run *g = run_create();
	char *out;
	int code;

	run_package(g, package, "scenario");
	run_plugin(g, "it", "use: scenario");
	run_start(g);
	out = shell_run(
		g, &code, "%s %s \"$SUPCTL\" %s", command, g->http, g->control);
	if (code == NOT_INSTALLED)
		fprintf(stderr, "%s: its module is not installed\n", command);
	else
		cr_expect_eq(code, 0, "%s: %d\n%s", command, code, out);
	free(out);
	run_end(g);
}

#define PYTHON "/usr/bin/python3 " WS_CLIENTS "/client.py"
#define NODE                                                                   \
	"NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs node " WS_CLIENTS         \
	"/client.js"

Test(ws_clients, python_with_a_c_plugin)
{
	run_client("scenario-c", PYTHON);
}

Test(ws_clients, python_with_a_python_plugin)
{
	run_client("scenario-python", PYTHON);
}

Test(ws_clients, node_with_a_c_plugin)
{
	run_client("scenario-c", NODE);
}

Test(ws_clients, node_with_a_node_plugin)
{
	run_client("scenario-node", NODE);
}

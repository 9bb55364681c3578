/* supctl new: the package that it makes builds, is found by a running supd,
 * answers, is edited and reloaded, and passes its own test. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/shell.h"

TestSuite(supctl_new, .fini = run_fini, .timeout = 200);

/* Where $PACKAGE is, with supd's pkg-config file as an installed one has it. */
#define IN_PACKAGE                                                             \
	"set -e; cd %s/packages/my-thing\n"                                    \
	"export PKG_CONFIG_PATH=%s/meson-uninstalled\n"                        \
	"mkdir -p ../../pc && sed \"s|^Cflags:.*||; "                          \
	"\\$ a Cflags: -I$(pkg-config --variable=srcdir supd)/worker\" "       \
	"$PKG_CONFIG_PATH/supd-uninstalled.pc >../../pc/supd.pc\n"             \
	"export PKG_CONFIG_PATH=$PWD/../../pc\n"

static void
expect_body(struct gateway_run *g, const char *text)
{
	struct answer a = http_get(g->http, "/my-thing");
	char *to = a.body;

	for (const char *from = a.body; *from; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = 0;
	cr_expect_eq(a.status, 200);
	cr_expect(strstr(a.body, text), "%s: %s", text, a.body);
	answer_finish(&a);
}

static void
try_package(const char *kind, const char *source, const char *build,
	const char *check)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *out;

	run_add_hello(g);
	run_start(g);
	g->may_grow = true;
	free(shell_expect(g, 0,
		"$SUPCTL new %s my-thing --dir %s/packages && "
		"! grep -r @NAME@ %s/packages/my-thing",
		kind, g->dir, g->dir));
	free(shell_expect(
		g, 0, IN_PACKAGE "%s", g->dir, run_build_root(), build));
	run_plugin(g, "my-thing", "use: my-thing");
	run_write_config(g);
	free(shell_expect(g, 0, "$SUPCTL check %s/supd.yaml", g->dir));
	free(shell_expect(g, 0, "$SUPCTL scan"));
	expect_body(g, "\"greeting\":\"hello\"");
	expect_body(g, "\"generation\":1");
	c = ctl_expect(
		g, 0, "call", "tool", "my-thing", "{\"name\": \"you\"}", NULL);
	cr_expect_str_eq(c->out, "\"hello, you\"\n", "%s", c->out);
	ctl_destroy(c);
	/* Edited, and live. */
	out = shell_expect(g, 0,
		IN_PACKAGE
		"sed -i 's/greeting\\(\\\\*\"*: *[^:]\\)/salute\\1/' %s\n"
		"%s\n$SUPCTL reload my-thing 2>/dev/null",
		g->dir, run_build_root(), source, build);
	cr_expect(strstr(out, "my-thing: reloaded 1 -> 2"), "%s", out);
	free(out);
	expect_body(g, "\"salute\":\"hello\"");
	expect_body(g, "\"generation\":2");
	out = shell_expect(
		g, 0, IN_PACKAGE "%s", g->dir, run_build_root(), check);
	cr_expect(strstr(out, "ok: \"generation\":2"), "%s", out);
	free(out);
	/* Its test can fail. */
	out = shell_expect(g, 1,
		IN_PACKAGE "sed -i 's/hello/good day/' plugin.yaml\n"
			   "tests/run",
		g->dir, run_build_root());
	cr_expect(strstr(out, "FAILED: expected 'hello, you'"), "%s", out);
	free(out);
	run_end(g);
}

Test(supctl_new, c)
{
	if (!shell_has("pkg-config"))
		cr_skip_test("needs pkg-config: apt install pkg-config");
	try_package("c", "my-thing.c", "make", "make check");
}

Test(supctl_new, python)
{
	try_package("python", "main.py", ":", "tests/run");
}

Test(supctl_new, node)
{
	if (!shell_has("node"))
		cr_skip_test("needs node: apt install nodejs");
	try_package("node", "main.js", ":", "tests/run");
}

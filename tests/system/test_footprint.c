/* What every worker pays for again: the pages that it relocates or writes. The
 * programs link in what they use of a library and not the library. And the
 * probes for tracers, which cost nothing. */
#include <criterion/criterion.h>
#include <supervisor/ops/usdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(footprint, .fini = run_fini, .timeout = 60);

static const char *const programs[] = {
	"worker/sup-worker", "supervisor/supd", "tools/supctl/supctl"};

/* What `TOOL BUILD/PROGRAM` prints; the caller frees. */
static char *
output_of(const char *tool, const char *program)
{
	char *command =
		memory_format("%s '%s/%s'", tool, getenv("BUILD"), program);
	struct buffer text = {0};
	char piece[4096];
	size_t length;
	FILE *from = popen(command, "r");

	cr_assert(from);
	while ((length = fread(piece, 1, sizeof(piece), from)) > 0)
		buffer_append(&text, piece, length);
	cr_assert_eq(pclose(from), 0, "%s", command);
	buffer_append(&text, "", 1);
	free(command);
	return (char *)text.memory;
}

static void
expect_none(const char *tool, const char *program, const char *const *needles)
{
	char *text = output_of(tool, program);

	for (; *needles; needles++)
		cr_expect(!strstr(text, *needles), "%s has %s", program,
			*needles);
	free(text);
}

Test(footprint, no_program_links_all_of_libcrypto_for_a_hash)
{
	static const char *const symbols[] = {
		" EVP_", " OSSL_PROVIDER", " CONF_", " ERR_", NULL};
	static const char *const libraries[] = {"libcrypto", "libssl", NULL};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		expect_none("nm", programs[i], symbols);
		expect_none("readelf -dW", programs[i], libraries);
	}
}

Test(footprint, a_worker_loads_no_library_but_libc)
{
	static const char *const libraries[] = {
		"[libev", "[libnng", "[libmsg", "[libjansson", "[libmd", NULL};

	expect_none("readelf -dW", "worker/sup-worker", libraries);
}

Test(footprint, a_worker_exports_libev_to_its_plugin)
{
	char *text = output_of("nm -D", "worker/sup-worker");

	cr_expect(strstr(text, " T ev_io_start"));
	cr_expect(strstr(text, " T ev_once"));
	free(text);
}

/* ---- probes ---- */

/* The arguments of the probe as readelf shows them, "4@%eax 8@%rdi", up to the
 * end of the line; NULL: there is no such probe. */
static const char *
arguments_of(const char *notes, const char *probe)
{
	char *name = memory_format("\n    Name: %s\n", probe);
	const char *at = strstr(notes, name);

	free(name);
	at = at ? strstr(at, "\n    Arguments: ") : NULL;
	return at ? at + strlen("\n    Arguments: ") : NULL;
}

static unsigned
count_words(const char *line)
{
	unsigned count = 0;

	for (; *line && *line != '\n'; line += strspn(line, " ")) {
		count++;
		line += strcspn(line, " \n");
	}
	return count;
}

Test(footprint, supd_has_probes_for_tracers)
{
	static const struct {
		const char *name;
		unsigned arguments;
	} probes[] = {
		{"accept", 2}, {"dispatch", 4}, {"reply", 4}, {"swap", 4}};
	char *notes;

	if (!SUPD_USDT)
		cr_skip_test("built without sys/sdt.h (systemtap-sdt-dev)");
	notes = output_of("readelf -nW", "supervisor/supd");
	cr_assert(strstr(notes, "    Provider: supd\n"), "%s", notes);
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const char *line = arguments_of(notes, probes[i].name);

		cr_assert(line, "no probe %s", probes[i].name);
		cr_expect_eq(count_words(line), probes[i].arguments,
			"%s: %.80s", probes[i].name, line);
	}
	free(notes);
}

/* KiB of the section as readelf says, 0: there is none. */
static unsigned long
section_kib(const char *program, const char *section)
{
	char *text = output_of("readelf -SW", program);
	char *at = strstr(text, section);
	unsigned long bytes = 0;

	if (at)
		cr_assert_eq(
			sscanf(at + strlen(section), "%*s %*s %*s %lx", &bytes),
			1);
	free(text);
	return bytes / 1024;
}

/* Sanitizers and valgrind relocate and write pages of their own. */
static bool
is_instrumented(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return getenv("TEST_VALGRIND") != NULL;
#endif
}

Test(footprint, a_worker_relocates_a_few_pages_of_its_own)
{
	if (!is_instrumented())
		cr_expect_lt(
			section_kib("worker/sup-worker", " .data.rel.ro "), 16);
}

static void
expect_dirty_below(const char *link, long kib)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long dirty;

	run_package(g, "hello", "hello");
	run_plugin(g, "hello", "link: %s", link);
	run_start(g);
	c = ctl_run(g, "status", NULL);
	dirty = process_dirty_kib((pid_t)ctl_number(c, "plugins.0.pid"));
	ctl_destroy(c);
	if (!is_instrumented())
		cr_expect_lt(dirty, kib, "%s: %ld KiB", link, dirty);
	run_end(g);
}

Test(footprint, an_idle_native_worker_dirties_less_than_200_kib)
{
	expect_dirty_below("native", 200);
}

Test(footprint, an_idle_nng_worker_dirties_less_than_450_kib)
{
	expect_dirty_below("nng", 450);
}

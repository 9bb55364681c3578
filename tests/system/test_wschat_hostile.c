/* The package wschat against servers that do what none should: it stays within
 * its bounds, gets rid of them, and goes on. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/process.h"
#include "tests/system/wschat.h"

TestSuite(wschat_hostile, .fini = run_fini, .timeout = 300);

#define MORE_KIB (320 * 1024L) /* than before the attacks */

static const char *const attacks[] = {"huge", "large", "pieces", "endless",
	"pings", "json", "deep", "bytes", "values", "flood"};

static void
survive(const char *profile)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");
	long before = process_status((pid_t)pid, "VmHWM:");
	long most;

	for (unsigned i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
		wschat_ask(w, "set", "\"hostile\": \"%s\"", attacks[i]);
		wschat_ask(w, "drop", "%s", "");
		wschat_await(w, "counts.attacks", i + 1);
		if (!strcmp(attacks[i], "flood") ||
			!strcmp(attacks[i], "values")) {
			/* nothing is wrong with them */
			if (!strcmp(attacks[i], "flood"))
				for (unsigned part = 1; part <= 10; part++)
					wschat_await(w, "counts.poured", part);
			wschat_ask(w, "drop", "%s", "");
		}
		wschat_many(w, 5);
		wschat_expect_all(w);
	}
	most = process_status((pid_t)pid, "VmHWM:");
	cr_expect_leq(most - before, MORE_KIB, "%ld KiB more", most - before);
	cr_expect_eq(ctl_status_number(w->run, "w", "pid"), pid);
	wschat_end(w);
}

Test(wschat_hostile, mattermost_is_survived)
{
	survive("mattermost");
}

Test(wschat_hostile, slack_is_survived)
{
	survive("slack");
}

Test(wschat_hostile, discord_is_survived)
{
	survive("discord");
}

/* supd takes nothing meanwhile: what is not read waits at the platform. */
static void
take_many(const char *profile)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");
	long before = process_status((pid_t)pid, "VmHWM:"), most;

	kill(w->run->pid, SIGSTOP);
	wschat_many(w, 1500);
	wschat_many(w, 1500);
	kill(w->run->pid, SIGCONT);
	ctl_destroy(ctl_expect(w->run, 0, "reload", "t", NULL));
	wschat_expect_all(w);
	most = process_status((pid_t)pid, "VmHWM:");
	cr_expect_leq(most - before, MORE_KIB, "%ld KiB more", most - before);
	ctl_destroy(ctl_expect(w->run, 0, "reload", "w", NULL));
	wschat_many(w, 10);
	wschat_expect_all(w);
	wschat_end(w);
}

Test(wschat_hostile, mattermost_sends_more_than_is_taken)
{
	take_many("mattermost");
}

Test(wschat_hostile, slack_sends_more_than_is_taken)
{
	take_many("slack");
}

Test(wschat_hostile, discord_sends_more_than_is_taken)
{
	take_many("discord");
}

/* It answers nothing: every try to connect ends in time, until it is well
 * again. */
Test(wschat_hostile, a_server_that_hangs_is_given_up)
{
	const char *quick = WSCHAT_QUICK ", connect_timeout: 300ms";
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);

	wschat_many(w, 5);
	wschat_expect_all(w);
	wschat_ask(w, "set", "\"hang\": true");
	wschat_await_channel(w, "waiting");
	wschat_settings(w, "good-token", quick);
	ctl_destroy(ctl_expect(w->run, 0, "apply", NULL));
	ctl_destroy(ctl_expect(w->run, 0, "reload", "w", NULL));
	wschat_await_text(w, "no connection within 300 ms");
	wschat_ask(w, "set", "\"hang\": false");
	wschat_many(w, 5);
	wschat_await_channel(w, "up");
	wschat_expect_all(w);
	wschat_ask(w, "set", "\"hang\": true");
	wschat_end(w); /* it stops at once */
}

/* A certificate that nobody has vouched for, and the same one with `ca`. */
Test(wschat_hostile, certificates_are_verified)
{
	char *dir = memory_copy_text("/tmp/supd-test-pem-XXXXXX"), *pem, *more;
	char *command;
	struct wschat *w;

	cr_assert(mkdtemp(dir));
	pem = memory_format("%s/server.pem", dir);
	command = memory_format(
		"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "
		"/CN=double -addext subjectAltName=IP:127.0.0.1 "
		"-keyout %s -out %s/cert >/dev/null 2>&1 && "
		"cat %s/cert >> %s",
		pem, dir, dir, pem);
	if (system(command) != 0)
		cr_skip_test("no openssl program");
	w = wschat_create("slack", pem);
	more = memory_format(WSCHAT_QUICK ", ca: /etc/ssl/certs/"
					  "ca-certificates.crt");
	wschat_settings(w, "good-token", more);
	free(more);
	run_start(w->run);
	wschat_await_text(w, "certificate");
	cr_expect_eq(wschat_number(w, "counts.connections"), 0);
	more = memory_format(WSCHAT_QUICK ", ca: %s", pem);
	wschat_settings(w, "good-token", more);
	ctl_destroy(ctl_expect(w->run, 0, "apply", NULL));
	wschat_await_channel(w, "up");
	wschat_ask(w, "say", "%s", "\"text\": \"/echo hello\"");
	wschat_await_sent(w, 1, "echo hello");
	wschat_end(w);
	files_remove_tree(dir);
	free(more);
	free(command);
	free(pem);
	free(dir);
}

/* stage: a package copied as a whole: the walk is repeated if the package
 * changed meanwhile, and what a failed one made is removed. It never
 * overwrites. */
#include "worker/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/patience.h"
#include "worker/unstage.h"
#include "worker/walk.h"

static void
stage_result(struct walk *w, struct stage_result *result_out)
{
	walk_digest(w, result_out->digest);
	fingerprint_end(&w->seen.fingerprint, result_out->fingerprint);
	result_out->bytes = w->bytes;
	result_out->files = w->files;
}

/* One try: 0, -1, or 1 if it is worth another. */
static int
stage_try(const struct stage_order *order, struct stage_result *result_out,
	struct error *err)
{
	struct walk w = {.order = order, .target = -1, .err = err};
	int rc;

	if (mkdir(order->target, 0700))
		return walk_fail(&w, "create", order->target);
	w.target = open(order->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = w.target < 0 ? walk_fail(&w, "open", order->target) : walk_run(&w);
	if (!rc)
		stage_result(&w, result_out);
	else
		unstage_run(order->target, NULL);
	walk_finish(&w);
	if (w.target >= 0)
		close(w.target);
	return rc && w.torn ? 1 : rc;
}

static int
stage_check_shares(const struct stage_order *order, struct error *err)
{
	for (int i = 0; i < order->share_count; i++)
		if (!*order->shares[i] || strchr(order->shares[i], '/') ||
			!strcmp(order->shares[i], ".") ||
			!strcmp(order->shares[i], ".."))
			return error_set(err,
				"only a name at the top of the package can be "
				"shared, not '%s'",
				order->shares[i]);
	return 0;
}

int
stage_run(const struct stage_order *order, struct stage_result *result_out,
	struct error *err)
{
	struct patience patience = {0};
	int rc = 1;

	if (stage_check_shares(order, err))
		return -1;
	while (rc == 1 && patience_has_more(&patience))
		rc = stage_try(order, result_out, err);
	return rc ? -1 : 0;
}

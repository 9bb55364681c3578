/* endpoint: the paths that are supd's own, asked before the routes: /livez,
 * /readyz, /api; /ws and /metrics have their place here. */
#pragma once

#include "supervisor/http/head.h"
#include "supervisor/route/path.h"

struct exchange;

void endpoint_begin(
	struct exchange *x, const struct head *h, const struct path *path);

/* endpoint: the paths that supd itself serves: /livez, /readyz, /metrics, /api,
 * /ws. */
#pragma once

#include "supervisor/http/responder.h"

extern const struct own_paths endpoint_paths;

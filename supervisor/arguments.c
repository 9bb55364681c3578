/* arguments: see arguments.h. */
#include "supervisor/arguments.h"

const struct argp_option argument_rows[] = {
	{"config", ARGUMENT_CONFIG, "FILE", 0,
		"the configuration (default: $SUPD_CONFIG, then "
		"/etc/supd/supd.yaml)",
		0},
	{"check", ARGUMENT_CHECK, 0, 0,
		"check the configuration and manifests, print every problem, "
		"start nothing",
		0},
	{"watch", ARGUMENT_WATCH, 0, 0, "not supported yet", 0},
	{"runtime-dir", ARGUMENT_RUNTIME, "DIR", 0,
		"where the control socket is", 0},
	{"state-dir", ARGUMENT_STATE, "DIR", 0, "what outlives supd", 0},
	{"log-level", ARGUMENT_LEVEL, "LEVEL", 0, "error, warn, info or debug",
		0},
	{"log-format", ARGUMENT_FORMAT, "FORMAT", 0, "text or json", 0},
	{0},
};

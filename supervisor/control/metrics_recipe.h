/* metrics_recipe: a page of all metrics, in one of three forms. */
#pragma once

#include "supervisor/control/page.h"

#define METRICS_SLICE_SAMPLES 200 /* written per turn */

enum metrics_form {
	METRICS_FORM_TEXT,	   /* the text format 0.0.4 */
	METRICS_FORM_JSON,	   /* {"metrics": [family, ...]} */
	METRICS_FORM_TEXT_IN_JSON, /* {"text": "..."} */
	METRICS_FORM_COUNT
};

struct page_recipe *metrics_recipe_create(
	struct gateway *g, enum metrics_form form);
const char *metrics_recipe_key(enum metrics_form form);

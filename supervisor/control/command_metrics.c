/* command_metrics: `metrics`: a page of all metrics, as text or JSON. */
#include <string.h>

#include "supervisor/control/job.h"
#include "supervisor/control/metrics_recipe.h"

void
command_metrics(struct command_call *call, const json_t *args)
{
	const char *format = command_text(args, "format");
	bool as_text = format && !strcmp(format, "text");
	enum metrics_form form =
		as_text ? METRICS_FORM_TEXT_IN_JSON : METRICS_FORM_JSON;

	if (format && !as_text && strcmp(format, "json") != 0)
		command_fail(call, OUTCOME_BAD_CALL,
			"metrics: 'format' must be text or json");
	else
		command_print(call, OUTCOME_DONE, metrics_recipe_key(form),
			metrics_recipe_create(call->gateway, form), NULL);
}

/* command_config: the configuration in force as a document that is one too.
 * Secrets are masked where it is made (config_view), not here. */
#include "supervisor/control/job.h"

void
command_config(struct command_call *call, const json_t *args)
{
	const struct gateway *g = call->gateway;
	enum log_format format;
	enum log_level level;

	log_get(&format, &level);
	command_finish(call, OUTCOME_DONE,
		config_view(g->config, &(struct config_in_force){
					       .runtime_dir = g->runtime_dir,
					       .state_dir = g->state_dir,
					       .log_level = (int)level,
					       .log_format = (int)format,
				       }));
}

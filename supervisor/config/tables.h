/* tables: every key of supd.yaml and plugin.yaml as a constant row. Their
 * checks look at one value; checks across files or plugins are elsewhere. */
#pragma once

#include "supervisor/config/schema.h"

extern const struct schema_table config_table;	      /* struct config */
extern const struct schema_table plugin_table;	      /* plugin_config */
extern const struct schema_table plugin_limits_table; /* plugin_limits */
extern const struct schema_table telemetry_table;     /* config_telemetry */
extern const struct schema_table admin_table;	      /* config_admin */
extern const struct schema_table manifest_table;      /* struct manifest */

extern const char *const link_words[]; /* by enum config_link */

/* Checks that several rows share. */
schema_check check_mount;
schema_check check_namespace;
schema_check check_id; /* the text is an id */
/* Notes the position of the required id that was just read. */
void check_requirement(struct problems *problems, const struct node *node,
	const struct text_list *list, struct config_position **positions);
schema_check check_requires; /* of a plugin */
schema_check check_folder;   /* warns if there is none */
schema_check listener_check; /* fills in the address: listen.c */
schema_check token_check;    /* admin.c */
schema_check origin_check;   /* the text is an origin */
schema_check peer_check;
schema_check check_channel; /* the text is the name of a channel */
schema_check check_from;    /* warns if everybody matches */
schema_check notify_check;
schema_check network_check; /* the text is a network */

/* config.c: reads the plugins map, and one entry by its key and item. */
schema_check plugins_read;
void config_read_plugin(struct problems *problems, struct config *config,
	const struct node *key, const struct node *item);
json_t *plugins_view(const void *base);

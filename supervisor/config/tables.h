/* tables: every key of supd.yaml and of plugin.yaml, a constant row each. The
 * checks beside them look at one value; what needs several files or several
 * plugins is elsewhere. */
#pragma once

#include "supervisor/config/schema.h"

extern const struct schema_table config_table;	      /* struct config */
extern const struct schema_table plugin_table;	      /* plugin_config */
extern const struct schema_table plugin_limits_table; /* plugin_limits */
extern const struct schema_table manifest_table;      /* struct manifest */

extern const char *const link_words[]; /* by enum config_link */

/* Checks that several rows share. */
schema_check check_mount;
schema_check check_namespace;
schema_check check_id; /* the text is an id */
/* The last of a list of required ids, which was just read: keeps its place. */
void check_requirement(struct problems *problems, const struct node *node,
	const struct text_list *list, struct config_place **places);
schema_check check_requires; /* of a plugin */
schema_check check_folder;   /* warns if there is none */
schema_check listener_check; /* fills in the address: listen.c */
schema_check token_check;    /* admin.c */
schema_check peer_check;
schema_check network_check; /* the text is a network */

/* The plugins map, in config.c. */
schema_check plugins_read;
json_t *plugins_view(const void *base);

/* paths: where supd and supctl look for each other: the search orders for the
 * config file, the runtime and state folders and the control socket. It only
 * names paths; it makes nothing. Every result is the caller's to free. */
#pragma once

#define CONTROL_SOCKET_NAME "control.sock"

/* A relative path begins at the working directory. */
char *paths_absolute(const char *path);
/* flag, $SUPD_CONFIG, /etc/supd/supd.yaml */
char *paths_config_file(const char *flag);
/* flag, config, $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/supd, /run/supd. flag and
 * config may be NULL; a relative one is made absolute. */
char *paths_runtime_dir(const char *flag, const char *config);
/* flag, config, $STATE_DIRECTORY, /var/lib/supd */
char *paths_state_dir(const char *flag, const char *config);
/* For clients: flag, $SUPCTL_SOCKET, then the first of the runtime folders
 * above that has a control socket; if none has, the first of them. */
char *paths_control_socket(const char *flag);

/* rotation: another connection in the place of the one in use, without a
 * reload, for a new password, server or nick. The new one is made beside the
 * old one, and takes its place once it is in all channels; until then nothing
 * changes, and if it does not get there, nothing has changed. */
#pragma once

#include <stdbool.h>

struct bot;
struct line;
struct settings;
struct sup_req;

/* Begins, and takes the settings. The request is answered at the end. */
void rotation_begin(struct bot *b, struct settings *s, struct sup_req *req);
/* Nothing is half sent any more. */
void rotation_look(struct bot *b);
/* The session in use is lost, or has left. Whether a rotation replaces it. */
bool rotation_replaces(struct bot *b);
/* A line of the session in use. */
void rotation_take_old_line(struct bot *b, const struct line *line);
/* Ends it, if there is one, and answers with the reason. */
void rotation_abandon(struct bot *b, const char *why);

/* files: a private folder of files for the tests of what reads files, and
 * problems as one text. */
#pragma once

#include "supervisor/config/problems.h"

struct folder {
	char path[64];
};

struct folder folder_make(void);
void folder_remove(struct folder *f);
/* Makes the folders on the way. */
void folder_write(const struct folder *f, const char *name, const char *text);
char *folder_path(const struct folder *f, const char *name);
/* config_check() of supd.yaml in it, with the folder's path written as D. What
 * says nothing of `listen` gets `listen: []` from a file of conf.d. */
char *folder_check(const struct folder *f);

char *problems_as_text(const struct problems *problems);
/* `text` with the folder's path as D; takes and replaces it. */
char *folder_mask(const struct folder *f, char *text);

/* help: what --help prints, made from the tables of verbs and options. */
#pragma once

#include <stdio.h>

#include "tools/supctl/options.h"

/* All verbs and global options, or one verb with its own. */
void help_print(FILE *out, enum verb verb);
/* "-s, --socket PATH" into text (at least 64 bytes). */
void help_option_text(char *text, size_t size, enum option_id id);

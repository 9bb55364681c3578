/* completion: scripts for three shells, made from the tables of verbs and
 * options. What lives (ids, packages, names) they get from `supctl completion
 * ids`, `packages`, a kind of registration, or `cli:PLUGIN`, which print
 * nothing without supd. */
#pragma once

#include <stdio.h>

void completion_print_bash(FILE *out);
void completion_print_zsh(FILE *out);
void completion_print_fish(FILE *out);

/* completion: scripts for three shells, made from the tables of verbs and
 * options. What lives (ids, packages, names) they ask of `supctl completion
 * ids`, `packages` or a kind of registration, which say nothing without supd.
 */
#pragma once

#include <stdio.h>

void completion_print_bash(FILE *out);
void completion_print_zsh(FILE *out);
void completion_print_fish(FILE *out);

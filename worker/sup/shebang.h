/* shebang: why a script did not start, where errno says "No such file" about
 * the interpreter in its first line rather than about the script. */
#pragma once

#include <stddef.h>

/* The program's file is looked up as execvp() does it. NULL: its first line
 * explains nothing. */
const char *shebang_defect(const char *program, char *room, size_t size);

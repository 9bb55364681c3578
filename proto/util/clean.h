/* clean: strings from elsewhere, made harmless. One list of characters says
 * what a terminal or a reader of lines obeys or shows out of order: control
 * characters (C0, DEL, C1), the line and paragraph separators (U+2028, U+2029),
 * and the embeddings, overrides and isolates of bidirectional text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool clean_is_harmful(uint32_t character);
/* Replaces each harmful character and each byte that is not UTF-8 by '?',
 * except the ASCII characters in `keep` ("" for none). In place: the string
 * never grows. Returns its new length; a NUL follows only if one did. */
size_t clean_bytes(char *text, size_t length, const char *keep);
/* The same for a string; returns it. */
char *clean_text(char *text, const char *keep);

/* result: what a script wrote, if it is not JSON that can be passed on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True: it is meant as JSON, and only a value in it is beyond what can be
 * passed on (a number of more than 64 bits, a key twice, nesting without
 * end). False: it is text. */
bool result_is_defective(const char *text, size_t size);

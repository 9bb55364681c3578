/* secret: which values are never shown. By the name of their key, or because
 * they carry a password within; both err on the side of silence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MASK "***"

/* "password", "api_key", "apiKey", "db-token", "credentials"… */
bool secret_is_key(const char *key);
/* scheme://user:password@host */
bool secret_is_text(const char *text, size_t length);

/* secret: recognises values that are never shown, by the name of their key or
 * by a password within; in doubt a value is secret. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MASK "***"

/* "password", "api_key", "apiKey", "db-token", "credentials"… */
bool secret_is_key(const char *key);
/* scheme://user:password@host */
bool secret_is_text(const char *text, size_t length);

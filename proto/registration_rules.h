/* registration_rules: what names, methods and path patterns may look like; for
 * registration.c alone. */
#pragma once

#include <stdbool.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define REGISTRATION_NAME_BYTES 128

bool registration_name_is_valid(struct bytes name);
bool registration_method_is_valid(struct bytes method);
/* A pattern: begins with /, segments are literal, {name} or, last, *. The error
 * says what is wrong with "it". */
int registration_check_path(struct bytes path, struct error *err);

/* yaml: a document as YAML that can be read back. */
#pragma once

#include <jansson.h>
#include <stdio.h>

void yaml_print(FILE *out, const json_t *document);

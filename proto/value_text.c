/* value_text: unchecked strings as JSON. */
#include <stdlib.h>

#include "proto/util/text.h"
#include "proto/value.h"

json_t *
value_text(const char *text)
{
	json_t *value;
	char *valid;

	if (!text)
		return json_null();
	value = json_string(text);
	if (value)
		return value;
	valid = text_valid_copy(bytes_of(text));
	value = json_string(valid);
	free(valid);
	return value;
}

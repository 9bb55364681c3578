/* value_path: see value_path.h. */
#include "proto/value_path.h"

#include <stdio.h>
#include <string.h>

#include "proto/util/clean.h"

size_t
value_path_text(const struct value_path *p, char *text, size_t size)
{
	size_t used;
	char key[40];

	if (!p)
		return (size_t)snprintf(text, size, "$");
	used = value_path_text(p->around, text, size);
	if (used + sizeof(key) + 8 > size)
		return used; /* the rest is inside of this */
	if (!p->key.at)
		return used + (size_t)snprintf(text + used, size - used, "[%u]",
				      p->index);
	snprintf(key, sizeof(key), "%.*s",
		(int)(p->key.length < sizeof(key) ? p->key.length
						  : sizeof(key) - 1),
		p->key.at);
	clean_text(key, "");
	return used +
	       (size_t)snprintf(text + used, size - used,
		       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
				   "KLMNOPQRSTUVWXYZ0123456789_") == strlen(key)
			       ? ".%s"
			       : "['%s']",
		       key);
}

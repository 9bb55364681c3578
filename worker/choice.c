/* choice: the rules about names, once for copy, digest and links. */
#include "worker/choice.h"

#include <string.h>

static bool
choice_leaves_out_bytes(const char *name, size_t length)
{
	static const char cache[] = "__pycache__", code[] = ".pyc";

	return (length && name[0] == '.') ||
	       (length == strlen(cache) && !memcmp(name, cache, length)) ||
	       (length > strlen(code) && !memcmp(name + length - strlen(code),
						 code, strlen(code)));
}

bool
choice_leaves_out(const char *name)
{
	return choice_leaves_out_bytes(name, strlen(name));
}

bool
choice_leaves_out_path(const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");

		if (choice_leaves_out_bytes(path, length))
			return true;
		path += length;
		path += *path == '/';
	}
	return false;
}

bool
choice_is_shared(const struct stage_order *order, const char *path)
{
	size_t length = strcspn(path, "/");

	for (int i = 0; i < order->share_count; i++)
		if (strlen(order->shares[i]) == length &&
			!memcmp(order->shares[i], path, length))
			return true;
	return false;
}

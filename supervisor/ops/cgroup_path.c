/* cgroup_path: the line that begins with "0::". */
#include "supervisor/ops/cgroup_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

char *
cgroup_path(const char *self)
{
	FILE *file = fopen(self, "re");
	char *line = NULL, *path = NULL;
	size_t room = 0;

	while (file && !path && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::/", 4))
			path = memory_copy_text(line + 3);
	}
	free(line);
	if (file)
		fclose(file);
	return path;
}

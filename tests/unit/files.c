/* files: private folders under the temporary directory, removed at the end. */
#include "tests/unit/files.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/config.h"

struct folder
folder_make(void)
{
	struct folder f = {.path = "/tmp/supd-unit-XXXXXX"};
	assert(mkdtemp(f.path));
	return f;
}

static int
remove_one(
	const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	return remove(path);
}

void
folder_remove(struct folder *f)
{
	nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *
folder_path(const struct folder *f, const char *name)
{
	return memory_format("%s/%s", f->path, name);
}

void
folder_write(const struct folder *f, const char *name, const char *text)
{
	char *path = folder_path(f, name);
	for (char *c = path + strlen(f->path) + 1; *c; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0700);
			*c = '/';
		}
	FILE *out = fopen(path, "w");
	assert(out);
	fputs(text, out);
	fclose(out);
	free(path);
}

char *
problems_as_text(const struct problems *problems)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	problems_print(problems, out);
	fclose(out);
	return text;
}

char *
folder_mask(const struct folder *f, char *text)
{
	struct buffer masked = {0};
	const char *from = text, *hit;
	while ((hit = strstr(from, f->path))) {
		buffer_append(&masked, from, (size_t)(hit - from));
		buffer_append_text(&masked, "D");
		from = hit + strlen(f->path);
	}
	buffer_append(&masked, from, strlen(from) + 1);
	free(text);
	text = memory_copy_text((const char *)buffer_bytes(&masked));
	buffer_finish(&masked);
	return text;
}

static bool
says(const char *path, const char *word)
{
	char text[4096];
	FILE *in = fopen(path, "r");
	size_t length = in ? fread(text, 1, sizeof(text) - 1, in) : 0;

	text[length] = '\0';
	if (in)
		fclose(in);
	return strstr(text, word);
}

char *
folder_check(const struct folder *f)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	char *path = folder_path(f, "supd.yaml");
	if (!says(path, "listen"))
		folder_write(f, "conf.d/listen.yaml", "listen: []\n");
	config_check(path, out);
	fclose(out);
	free(path);
	return folder_mask(f, text);
}

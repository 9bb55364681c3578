/* replay: runs a fuzz target over its corpus, without libFuzzer: each file of
 * the folders and files named as arguments once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned inputs;

static int
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;
	size_t size;

	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		return -1;
	}
	bytes = malloc(st.st_size ? (size_t)st.st_size : 1);
	size = bytes ? fread(bytes, 1, (size_t)st.st_size, file) : 0;
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last one is the culprit */
	LLVMFuzzerTestOneInput(bytes, size);
	inputs++;
	free(bytes);
	return 0;
}

static int
replay(const char *path)
{
	char inner[4096];
	struct dirent *entry;
	DIR *folder = opendir(path);
	int result = 0;

	if (!folder)
		return replay_file(path);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		result |= replay(inner);
	}
	closedir(folder);
	return result;
}

int
main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc; i++)
		result |= replay(argv[i]);
	printf("%u inputs\n", inputs);
	return result || !inputs;
}

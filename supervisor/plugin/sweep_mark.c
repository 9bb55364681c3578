#include "supervisor/plugin/sweep_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"

#define COPIES 2
#define FILE_MAX 128
#define DIGITS "0123456789abcdef"

static const char *const names[COPIES] = {"tree-mark", "tree-mark.copy"};

bool
sweep_mark_random(char *text_out, unsigned digits)
{
	uint8_t random[SWEEP_MARK_DIGITS / 2];

	text_out[0] = '\0';
	if (getrandom(random, digits / 2, 0) != (ssize_t)(digits / 2))
		return false;
	for (unsigned i = 0; i < digits / 2; i++)
		snprintf(text_out + 2 * i, 3, "%02x", random[i]);
	return true;
}

/* The text after the mark in a file of this folder; freed by the caller. */
static char *
folder_text(const char *state_dir)
{
	struct stat stat;

	if (lstat(state_dir, &stat) < 0)
		return NULL;
	return memory_format(" %llx:%llx\n", (unsigned long long)stat.st_dev,
		(unsigned long long)stat.st_ino);
}

/* How a copy was found. */
enum copy {
	COPY_NONE,   /* no file */
	COPY_OTHER,  /* copied from another folder */
	COPY_BROKEN, /* damaged */
	COPY_GOOD,
};

static enum copy
read_copy(const char *path, const char *folder,
	char mark_out[SWEEP_MARK_DIGITS + 1])
{
	int fd = own_file_open(path, O_RDONLY, 0, NULL);
	char text[FILE_MAX + 1], *end;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? COPY_NONE : COPY_BROKEN;
	n = read(fd, text, FILE_MAX);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	end = strchr(text, '\n');
	if (strspn(text, DIGITS) != SWEEP_MARK_DIGITS || !end || end[1])
		return COPY_BROKEN;
	if (strcmp(text + SWEEP_MARK_DIGITS, folder) != 0)
		return COPY_OTHER;
	memcpy(mark_out, text, SWEEP_MARK_DIGITS);
	mark_out[SWEEP_MARK_DIGITS] = '\0';
	return COPY_GOOD;
}

/* The first good copy counts; sets true for copies that must be written. */
static enum sweep_mark_state
read_copies(char *const paths[COPIES], const char *folder,
	char mark_out[SWEEP_MARK_DIGITS + 1], bool is_stale_out[COPIES])
{
	enum sweep_mark_state state = SWEEP_MARK_NEW;
	char mark[SWEEP_MARK_DIGITS + 1];

	for (unsigned i = 0; i < COPIES; i++) {
		enum copy copy = read_copy(paths[i], folder, mark);

		is_stale_out[i] = copy != COPY_GOOD ||
				  (*mark_out && strcmp(mark, mark_out) != 0);
		if (copy == COPY_GOOD && !*mark_out)
			memcpy(mark_out, mark, sizeof(mark));
		if (copy == COPY_GOOD)
			state = SWEEP_MARK_KNOWN;
		else if (copy == COPY_BROKEN && state == SWEEP_MARK_NEW)
			state = SWEEP_MARK_LOST;
	}
	return state;
}

enum sweep_mark_state
sweep_mark_open(const char *state_dir, char mark_out[SWEEP_MARK_DIGITS + 1],
	struct error *err)
{
	char *folder = folder_text(state_dir), *paths[COPIES], *text = NULL;
	enum sweep_mark_state state;
	bool is_stale[COPIES];

	mark_out[0] = '\0';
	if (!folder)
		return error_set(err, "%s is not a folder", state_dir);
	for (unsigned i = 0; i < COPIES; i++)
		paths[i] = memory_format("%s/%s", state_dir, names[i]);
	state = read_copies(paths, folder, mark_out, is_stale);
	if (!*mark_out && !sweep_mark_random(mark_out, SWEEP_MARK_DIGITS))
		state = error_set(err, "no random numbers");
	text = memory_format("%s%s", mark_out, folder);
	for (unsigned i = 0; i < COPIES; i++) {
		if (*mark_out && is_stale[i] &&
			own_file_replace(paths[i], text, strlen(text), err) < 0)
			state = SWEEP_MARK_UNKEPT;
		free(paths[i]);
	}
	free(text);
	free(folder);
	return state;
}

/* symlink: follows a link step by step, as the kernel does, and checks whether
 * each step would find the same in the copy. It opens no file. */
#include "worker/symlink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker/choice.h"

#define LINKS_MAX 40 /* one after the other, as in the kernel */

enum outcome {
	REACHED, /* at: its real path */
	NOWHERE, /* nothing is there, or the links go in a circle */
	SHARED,	 /* beneath a name that is linked, not copied */
	FAILED,	 /* errno */
};

struct steps {
	const struct stage_order *order;
	const struct tree *tree;
	struct seen *seen;
	char at[PATH_MAX]; /* real and absolute; "" is the root */
	char rest[PATH_MAX];
	struct stat stat; /* of at */
	unsigned links;
	bool within; /* so far the copy has the same steps */
};

const char *
tree_rest(const struct tree *t, const char *path)
{
	path += strlen(t->prefix);
	return path + (*path == '/');
}

/* The path of `at` below a folder; NULL: it is elsewhere. */
static const char *
path_below(const char *root, const char *at)
{
	size_t length = strcmp(root, "/") ? strlen(root) : 0;

	if (strncmp(root, at, length) || (at[length] && at[length] != '/'))
		return NULL;
	return at + length + (at[length] == '/');
}

/* ---- the steps ---- */

/* -1: too long to be a path. */
static int
put_before_rest(struct steps *s, const char *text)
{
	char rest[PATH_MAX];
	int length = snprintf(rest, sizeof(rest), "%s%s%s", text,
		s->rest[0] ? "/" : "", s->rest);

	if (length < 0 || (size_t)length >= sizeof(rest))
		return -1;
	memcpy(s->rest, rest, (size_t)length + 1);
	return 0;
}

static void
step_up(struct steps *s)
{
	char *slash = strrchr(s->at, '/');

	if (slash)
		*slash = '\0';
	s->within = s->within && path_below(s->tree->root, s->at);
}

/* `at` is a link now. */
static int
step_through(struct steps *s, size_t before)
{
	const char *text = seen_read_link(s->seen, s->at, &s->stat);

	if (!text)
		return FAILED;
	s->at[before] = '\0';
	if (text[0] == '/') {
		s->within = false;
		s->at[0] = '\0';
	}
	if (++s->links > LINKS_MAX || !text[0] || put_before_rest(s, text))
		return NOWHERE;
	return REACHED;
}

static int
step_down(struct steps *s, const char *name, size_t length)
{
	size_t before = strlen(s->at);
	const char *below;

	if (before + 1 + length >= sizeof(s->at))
		return NOWHERE;
	s->at[before] = '/';
	memcpy(s->at + before + 1, name, length);
	s->at[before + 1 + length] = '\0';
	below = path_below(s->tree->root, s->at);
	if (!s->tree->outer && below && choice_is_shared(s->order, below))
		return SHARED;
	s->within = s->within && !choice_leaves_out(s->at + before + 1);
	if (lstat(s->at, &s->stat))
		return errno == ENOENT || errno == ENOTDIR ||
				       errno == ENAMETOOLONG
			       ? NOWHERE
			       : FAILED;
	return S_ISLNK(s->stat.st_mode) ? step_through(s, before) : REACHED;
}

/* Takes the first component off the rest. */
static int
step(struct steps *s)
{
	size_t length = strcspn(s->rest, "/");
	char name[PATH_MAX];

	memcpy(name, s->rest, length);
	name[length] = '\0';
	memmove(s->rest, s->rest + length + (s->rest[length] == '/'),
		strlen(s->rest + length) + (s->rest[length] != '/'));
	if (!length || !strcmp(name, "."))
		return REACHED;
	if (strcmp(name, ".."))
		return step_down(s, name, length);
	step_up(s);
	return REACHED;
}

static int
follow(struct steps *s)
{
	int outcome = REACHED;

	while (outcome == REACHED && s->rest[0])
		outcome = step(s);
	if (outcome != REACHED)
		return outcome;
	return lstat(*s->at ? s->at : "/", &s->stat) ? FAILED : REACHED;
}

/* ---- the plan ---- */

/* The text of a link at `from` to `to`, both in the stage. */
static int
relative_text(char text_out[PATH_MAX], const char *from, const char *to)
{
	size_t at = 0, size;

	for (; (from = strchr(from, '/')); from++) {
		if (at + strlen("../") >= PATH_MAX)
			return -1;
		memcpy(text_out + at, "../", strlen("../") + 1);
		at += strlen("../");
	}
	size = strlen(to) + 1;
	if (at + size > PATH_MAX)
		return -1;
	memcpy(text_out + at, to, size);
	if (!*to)
		memcpy(text_out + at, ".", sizeof("."));
	return 0;
}

/* Whether the target is copied anyway, in the tree of the link or one around
 * it: then the link becomes a relative link to that copy. */
static bool
find_copy(struct steps *s, const char *path, struct symlink_plan *plan)
{
	for (const struct tree *t = s->tree; t; t = t->outer) {
		const char *below = path_below(t->root, s->at);
		char to[PATH_MAX];
		int length;

		if (!below || choice_leaves_out_path(below))
			continue;
		length = snprintf(to, sizeof(to), "%s%s%s", t->prefix,
			*t->prefix && *below ? "/" : "", below);
		return length >= 0 && (size_t)length < sizeof(to) &&
		       !relative_text(plan->text, path, to);
	}
	return false;
}

const char *
symlink_special_name(mode_t mode)
{
	return S_ISSOCK(mode)	? "a socket"
	       : S_ISFIFO(mode) ? "a FIFO"
				: "a device";
}

/* Shared names are links to the package, also if reached by another link. */
static int
plan_shared(struct steps *s, const char *path, struct symlink_plan *plan,
	struct error *err)
{
	int length = snprintf(plan->text, sizeof(plan->text), "%s%s%s", s->at,
		s->rest[0] ? "/" : "", s->rest);

	plan->stays = true;
	if (length < 0 || (size_t)length >= sizeof(plan->text))
		return error_set(err, "cannot follow the link %s: %s", path,
			strerror(ENAMETOOLONG));
	return 0;
}

static int
plan_copy(struct steps *s, const char *path, const char *text,
	struct symlink_plan *plan, struct error *err)
{
	plan->stays = find_copy(s, path, plan);
	if (plan->stays)
		return 0;
	if (!S_ISREG(s->stat.st_mode) && !S_ISDIR(s->stat.st_mode))
		return error_set(err,
			"%s leads to %s, which is %s and cannot be in a "
			"package",
			path, text, symlink_special_name(s->stat.st_mode));
	snprintf(
		plan->target, sizeof(plan->target), "%s", *s->at ? s->at : "/");
	plan->stat = s->stat;
	return 0;
}

static int
begin(struct steps *s, const char *path, const struct stat *stat)
{
	const char *root = strcmp(s->tree->root, "/") ? s->tree->root : "";
	int length = snprintf(
		s->at, sizeof(s->at), "%s/%s", root, tree_rest(s->tree, path));

	if (length < 0 || (size_t)length >= sizeof(s->at)) {
		errno = ENAMETOOLONG;
		return FAILED;
	}
	s->stat = *stat;
	s->within = true;
	return step_through(s, (size_t)(strrchr(s->at, '/') - s->at));
}

int
symlink_plan(const struct stage_order *order, const struct tree *tree,
	const char *path, const struct stat *stat, struct seen *seen,
	struct symlink_plan *plan_out, struct error *err)
{
	struct steps s = {.order = order, .tree = tree, .seen = seen};
	int outcome = begin(&s, path, stat);
	char text[PATH_MAX];

	memcpy(text, s.rest, sizeof(text)); /* no step was taken yet */
	if (outcome == REACHED)
		outcome = follow(&s);
	if (outcome == FAILED)
		return error_set_errno(
			err, errno, "cannot follow the link %s", path);
	if (s.within) {
		plan_out->stays = true;
		memcpy(plan_out->text, text, sizeof(text));
		return 0;
	}
	if (outcome == SHARED)
		return plan_shared(&s, path, plan_out, err);
	if (outcome == NOWHERE)
		return error_set(err, "%s leads to %s, which does not exist",
			path, text);
	return plan_copy(&s, path, text, plan_out, err);
}

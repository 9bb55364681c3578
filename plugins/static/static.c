/* static: the files of a folder, with ranges, conditions and tags. What the
 * conditions mean is condition.c's, what may be opened file.c's; this answers.
 *
 * Settings: root, index, types, hidden, cache; see plugin.yaml. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

#include "file.h"
#include "type.h"

#define PIECE_BYTES (256 * 1024)
#define SMALL_BYTES (64 * 1024) /* goes as one answer */
#define NAME_MAX_BYTES 8192	/* as of a path in supd */

static struct sup *self;

/* ---- a file on its way ---- */

struct stream {
	struct file file;
	uint64_t at, left;
};

static void
stream_end(struct stream *s)
{
	close(s->file.fd);
	free(s);
}

/* Reads the next piece; the length that was wanted, or the stream failed. */
static bool
stream_read(struct stream *s, void *piece, size_t bytes, const char **why_out)
{
	size_t have = 0;
	ssize_t got;

	while (have < bytes) {
		got = pread(s->file.fd, (char *)piece + have, bytes - have,
			(off_t)(s->at + have));
		if (got < 0 && errno == EINTR)
			continue;
		*why_out = got ? strerror(errno) : "it became shorter";
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	*why_out = "it changed meanwhile";
	return !file_has_changed(&s->file);
}

static void
stream_pump(struct sup_req *req, void *user)
{
	static char piece[PIECE_BYTES];
	struct stream *s = user;
	const char *why;
	int64_t room = sup_chunk(req, "", 0, true);

	while (room > 0) {
		size_t bytes =
			s->left < PIECE_BYTES ? (size_t)s->left : PIECE_BYTES;

		if ((int64_t)bytes > room)
			bytes = (size_t)room;
		if (!stream_read(s, piece, bytes, &why)) {
			sup_fail(req, SUP_FAILED, "%s", why);
			stream_end(s);
			return;
		}
		s->at += bytes;
		s->left -= bytes;
		if (!s->left) {
			sup_chunk(req, piece, bytes, false);
			stream_end(s);
			return;
		}
		room = sup_chunk(req, piece, bytes, true);
	}
}

static void
stream_cancelled(struct sup_req *req, void *user)
{
	stream_end(user);
	sup_chunk(req, "", 0, false);
}

static void
stream_begin(struct sup_req *req, const struct file *f, struct part part,
	int status, const char *type)
{
	struct stream *s = malloc(sizeof(*s));

	if (!s) {
		sup_fail(req, SUP_BUSY, "no memory");
		close(f->fd);
		return;
	}
	*s = (struct stream){*f, part.first, part.bytes};
	sup_reply_begin(req, status, type);
	sup_on_cancel(req, stream_cancelled, s);
	sup_on_writable(req, stream_pump, s);
	stream_pump(req, s);
}

/* ---- answers ---- */

static const char *
content_type(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "types.%s", type_extension(name));
	return sup_setting_string(self, path, type_of_name(name));
}

static void
add_number(struct sup_req *req, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	sup_reply_header(req, name, text);
}

static void
add_facts(struct sup_req *req, const struct facts *f)
{
	const char *cache = sup_setting_string(self, "cache", "");
	char date[30];

	date_write(f->modified, date);
	sup_reply_header(req, "ETag", f->etag);
	sup_reply_header(req, "Last-Modified", date);
	sup_reply_header(req, "Accept-Ranges", "bytes");
	if (*cache)
		sup_reply_header(req, "Cache-Control", cache);
}

static void
answer_content(struct sup_req *req, const struct file *f, struct part part,
	int status, const char *name)
{
	static char body[SMALL_BYTES];
	const char *type = content_type(name), *why;
	struct stream whole = {*f, part.first, part.bytes};
	bool is_head = !strcmp(sup_req_method(req), "HEAD");

	sup_reply_header(req, "X-Content-Type-Options", "nosniff");
	if (is_head || part.bytes > sizeof(body))
		add_number(req, "Content-Length", part.bytes);
	if (!is_head && part.bytes > sizeof(body)) {
		stream_begin(req, f, part, status, type);
		return;
	}
	if (is_head)
		sup_reply(req, status, type, "", 0);
	else if (stream_read(&whole, body, (size_t)part.bytes, &why))
		sup_reply(req, status, type, body, (size_t)part.bytes);
	else
		sup_fail(req, SUP_BUSY, "the file cannot be read: %s", why);
	close(f->fd);
}

static void
answer_file(struct sup_req *req, const struct file *f, const char *name)
{
	const struct condition c = {
		.if_match = sup_req_header(req, "if-match"),
		.if_none_match = sup_req_header(req, "if-none-match"),
		.if_modified_since = sup_req_header(req, "if-modified-since"),
		.if_unmodified_since =
			sup_req_header(req, "if-unmodified-since"),
		.range = sup_req_header(req, "range"),
		.if_range = sup_req_header(req, "if-range"),
		.is_head = !strcmp(sup_req_method(req), "HEAD"),
	};
	struct part part;
	int status = condition_judge(&c, &f->facts, &part);
	char range[80];

	add_facts(req, &f->facts);
	if (status == 416)
		snprintf(range, sizeof(range), "bytes */%" PRIu64,
			f->facts.bytes);
	else
		snprintf(range, sizeof(range),
			"bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, part.first,
			part.first + part.bytes - 1, f->facts.bytes);
	if (status == 416 || status == 206)
		sup_reply_header(req, "Content-Range", range);
	if (status == 200 || status == 206) {
		answer_content(req, f, part, status, name);
		return;
	}
	close(f->fd);
	if (status == 304)
		sup_reply(req, status, NULL, "", 0);
	else
		sup_reply_text(req, status, "%s\n",
			status == 412 ? "412 the file is not that one"
				      : "416 the file has no such range");
}

/* Relative links in an index are meant from within its folder. */
static void
answer_redirect(struct sup_req *req)
{
	const char *query = sup_req_query(req);
	char target[2 * NAME_MAX_BYTES + 4];

	snprintf(target, sizeof(target), "%s/%s%s", sup_req_path(req),
		*query ? "?" : "", query);
	sup_reply_header(req, "Location", target);
	sup_reply_text(req, 301, "301 the folder is at %s\n", target);
}

static void
answer_failure(struct sup_req *req, enum file_result result)
{
	switch (result) {
	case FILE_IS_DENIED:
		sup_reply_text(req, 403, "403 the file may not be read\n");
		return;
	case FILE_NO_RESOURCES:
		sup_fail(req, SUP_BUSY, "too many files are open: %s",
			strerror(errno));
		return;
	case FILE_NO_ROOT:
		sup_log(self, SUP_ERROR, "the root is not there: %s",
			strerror(errno));
		sup_fail(req, SUP_FAILED, "the folder to serve is not there");
		return;
	default:
		sup_reply_text(req, 404, "404 file not found\n");
	}
}

static void
serve(struct sup_req *req, void *user)
{
	const char *root = sup_setting_string(self, "root", "");
	const char *index = sup_setting_string(self, "index", "index.html");
	bool hidden = sup_setting_bool(self, "hidden", false);
	const char *name = sup_req_param(req, "*");
	size_t length = strlen(name);
	bool folder = !length || name[length - 1] == '/';
	enum file_result result = FILE_IS_MISSING;
	char inside[2 * NAME_MAX_BYTES];
	struct file f;

	if (folder && *index) {
		snprintf(inside, sizeof(inside), "%s%s", name, index);
		name = inside;
	}
	if (!folder || *index)
		result = file_open(&f, root, name, hidden);
	if (result == FILE_IS_OPEN)
		answer_file(req, &f, name);
	else if (result == FILE_IS_FOLDER && !folder)
		answer_redirect(req);
	else
		answer_failure(req, result);
}

/* ---- settings ---- */

/* True if it can be served; relative ones are the package's own. */
static bool
root_is_folder(const char *root)
{
	struct stat s;

	return !stat(root, &s) && S_ISDIR(s.st_mode);
}

static void
configure(struct sup_req *req, void *user)
{
	const char *root = sup_req_arg_string(req, "root", "");

	if (root_is_folder(root))
		sup_ok(req);
	else
		sup_fail(req, SUP_NOT_FOUND, "root is not a folder: %s", root);
}

static void
health(struct sup_req *req, void *user)
{
	const char *root = sup_setting_string(self, "root", "");

	if (root_is_folder(root))
		sup_ok(req);
	else
		sup_fail(req, SUP_FAILED, "root is not a folder: %s", root);
}

static int
init(struct sup *p)
{
	const char *root = sup_setting_string(p, "root", "");

	self = p;
	if (!root_is_folder(root)) {
		fprintf(stderr, "static: root is not a folder: %s\n", root);
		return SUP_FAILED_TO_START;
	}
	if (file_check_kernel()) {
		fprintf(stderr, "static: openat2: %s\n", strerror(errno));
		return SUP_FAILED_TO_START;
	}
	sup_health(p, health, NULL);
	sup_on_configure(p, configure, NULL);
	return sup_http(p, "GET", "/*", serve, NULL);
}

SUP_PLUGIN("static", "1.0.0", init)

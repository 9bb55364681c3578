/* pieces: a plugin that takes bodies in pieces in each way that the ABI has,
 * hands state on and takes new settings; test_pieces asks it. */
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

static struct sup *self;
static struct sup_req *held; /* by /held, until the tool `release` */

/* ---- echo ---- */

static void
echo_writable(struct sup_req *req, void *user)
{
	sup_resume(req);
}

static void
echo_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	if (sup_chunk(req, bytes, size, more) == 0 && more)
		sup_pause(req);
}

static void
echo_cancelled(struct sup_req *req, void *user)
{
	sup_log(sup_req_plugin(req), SUP_INFO, "the echo was cancelled");
	sup_chunk(req, "", 0, false);
}

static void
echo(struct sup_req *req, void *user)
{
	if (sup_req_header(req, "content-length"))
		sup_reply_header(req, "Content-Length",
			sup_req_header(req, "content-length"));
	sup_reply_begin(req, 200, "application/octet-stream");
	sup_on_writable(req, echo_writable, NULL);
	sup_on_cancel(req, echo_cancelled, NULL);
	sup_on_body(req, echo_piece, NULL);
}

/* ---- counting ---- */

struct count {
	size_t bytes, pieces, largest;
	uint64_t sum;
};

static void
count_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	struct count *c = user;

	for (size_t i = 0; i < size; i++)
		c->sum = c->sum * 31 + ((const unsigned char *)bytes)[i];
	c->bytes += size;
	c->pieces++;
	if (size > c->largest)
		c->largest = size;
	if (more)
		return;
	if (!bytes) {
		sup_log(self, SUP_INFO, "a body was lost");
		sup_fail(req, SUP_CANCELLED, "cancelled");
		free(c);
		return;
	}
	sup_reply_json(req, 200,
		"{\"bytes\":%zu,\"pieces\":%zu,\"largest\":%zu,\"sum\":%u}",
		c->bytes, c->pieces, c->largest, (unsigned)c->sum);
	free(c);
}

static void
count(struct sup_req *req, void *user)
{
	size_t whole;

	sup_req_body(req, &whole);
	if (whole)
		abort();
	sup_on_body(req, count_piece, calloc(1, sizeof(struct count)));
}

static void
count_now(void *req)
{
	count(req, NULL);
}

static void
count_later(struct sup_req *req, void *user)
{
	sup_post(self, count_now, req);
}

static void
held_cancelled(struct sup_req *req, void *user)
{
	held = NULL;
	sup_fail(req, SUP_CANCELLED, "cancelled");
}

static void
hold(struct sup_req *req, void *user)
{
	held = req;
	sup_on_cancel(req, held_cancelled, NULL);
	count(req, NULL);
	sup_pause(req);
}

static void
release(struct sup_req *req, void *user)
{
	if (held)
		sup_resume(held);
	held = NULL;
	sup_ok(req);
}

/* ---- early answers ---- */

static void
early(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "early");
}

static void
early_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	sup_reply_text(req, 413, "enough");
}

static void
early_in_piece(struct sup_req *req, void *user)
{
	sup_on_body(req, early_piece, NULL);
}

/* ---- an answer without end, and without sup_on_cancel() ---- */

static void
flood_more(struct sup_req *req, void *user)
{
	static const char piece[16384];
	int64_t room;

	do
		room = sup_chunk(req, piece, sizeof(piece), true);
	while (room > 0);
	if (room == 0)
		return;
	sup_log(self, SUP_INFO, "the flood ended");
	sup_chunk(req, "", 0, false);
}

static void
flood(struct sup_req *req, void *user)
{
	sup_reply_begin(req, 200, "application/octet-stream");
	sup_on_writable(req, flood_more, NULL);
	flood_more(req, NULL);
}

/* ---- state ---- */

static char *imported;
static size_t imported_bytes;
static uint32_t imported_version;

static void
export_now(void *user)
{
	size_t bytes = (size_t)sup_setting_int(self, "state_bytes", 0);
	char *blob = malloc(bytes + 1);

	for (size_t i = 0; i < bytes; i++)
		blob[i] = (char)('a' + i % 23);
	sup_reply_state(user, imported ? imported : blob,
		imported ? imported_bytes : bytes);
	free(blob);
}

static void
export_state(struct sup_req *req, void *user)
{
	if (!strcmp(sup_setting_string(self, "export", ""), "text"))
		sup_reply_text(req, 200, "no state");
	else if (!strcmp(sup_setting_string(self, "export", ""), "fails"))
		sup_fail(req, SUP_BUSY, "not now");
	else if (!strcmp(sup_setting_string(self, "export", ""), "later"))
		sup_post(self, export_now, req);
	else
		export_now(req);
}

static void
import_state(struct sup_req *req, void *user)
{
	const char *blob =
		sup_req_state(req, &imported_version, &imported_bytes);
	bool same = sup_req_state(req, NULL, NULL) == blob; /* needs neither */

	if (!same || sup_setting_bool(self, "refuse_import", false)) {
		sup_fail(req, SUP_FAILED, "version %u is not mine",
			imported_version);
		return;
	}
	free(imported);
	imported = malloc(imported_bytes + 1);
	memcpy(imported, blob, imported_bytes + 1);
	sup_ok(req);
}

static void
show_imported(struct sup_req *req, void *user)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < imported_bytes; i++)
		sum = sum * 31 + (unsigned char)imported[i];
	sup_reply_json(req, 200, "{\"version\":%u,\"bytes\":%zu,\"sum\":%u}",
		imported_version, imported_bytes, (unsigned)sum);
}

/* ---- settings and events ---- */

static void
configure(struct sup_req *req, void *user)
{
	const char *word = sup_req_arg_string(req, "word", "");

	if (!strcmp(word, "no"))
		sup_fail(req, SUP_CONFLICT, "not from %s to %s",
			sup_setting_string(self, "word", "-"), word);
	else
		sup_ok(req);
}

static void
word(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"word\":%s,\"all\":%s}",
		sup_setting_string(self, "word", "-"), sup_settings_json(self));
}

static void
emit(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "%d",
		sup_emit(self, "pieces.said",
			sup_req_arg_string(req, "data", NULL)));
}

/* ---- values ---- */

static void
say_value(struct sup_req *req, void *user)
{
	const char *json = sup_req_arg_string(req, "data", "");

	if (sup_reply_value(req, 200, json, strlen(json)))
		sup_fail(req, SUP_BAD_MESSAGE, "no JSON");
}

static void
say_format(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200,
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[%d]]]]]]]]]]]"
		"]]]]]]]]]]]]]]]]]]]]]]]",
		1);
}

static void
asked(struct sup *p, const char *error, const char *result, void *user)
{
	sup_log(p, SUP_ERROR, "a callback after -1");
}

static void
ask(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "%d",
		sup_call(self, "tool", "word",
			sup_req_arg_string(req, "data", ""), 0, asked, NULL));
}

static void
fail_badly(struct sup_req *req, void *user)
{
	sup_fail(req, SUP_CONFLICT, "not \xff text, but \xc3\xa9 is");
}

/* ---- what it offers ---- */

static int
offer_streaming(const char *path, sup_handler *handler)
{
	return sup_register(self, &(struct sup_offer){.kind = SUP_HTTP,
					  .method = "POST",
					  .path = path,
					  .handler = handler,
					  .body_limit = INT64_C(2) << 30,
					  .streams_body = true});
}

static int
init(struct sup *p)
{
	self = p;
	if (sup_setting_bool(p, "state", true))
		sup_state(p, 3, export_state, import_state, NULL);
	if (sup_setting_bool(p, "configures", true))
		sup_on_configure(p, configure, NULL);
	return offer_streaming("/pieces/echo", echo) ||
			       offer_streaming("/pieces/count", count) ||
			       offer_streaming("/pieces/later", count_later) ||
			       offer_streaming("/pieces/held", hold) ||
			       offer_streaming("/pieces/early", early) ||
			       offer_streaming(
				       "/pieces/enough", early_in_piece) ||
			       sup_tool(p, "release", NULL, NULL, release,
				       NULL) ||
			       sup_tool(p, "imported", NULL, NULL,
				       show_imported, NULL) ||
			       sup_tool(p, "word", NULL, NULL, word, NULL) ||
			       sup_tool(p, "emit", NULL, NULL, emit, NULL) ||
			       sup_tool(p, "value", NULL, NULL, say_value,
				       NULL) ||
			       sup_tool(p, "format", NULL, NULL, say_format,
				       NULL) ||
			       sup_tool(p, "ask", NULL, NULL, ask, NULL) ||
			       sup_tool(p, "fail-badly", NULL, NULL, fail_badly,
				       NULL) ||
			       sup_http(p, "GET", "/pieces/flood", flood, NULL)
		       ? SUP_FAILED_TO_START
		       : SUP_STARTED;
}

SUP_PLUGIN("pieces", "1.0.0", init)

/* table: who serves what, before and after edits. Precedence is checked by
 * tables here and against a naive matcher at the end. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/route/table.h"

enum { SET_MAX = 64 };

static struct route_table *table;
static struct error err;
static struct path path;
static struct route_match match;

static void
setup(void)
{
	table = route_table_create();
}

static void
teardown(void)
{
	route_table_destroy(table);
}

TestSuite(table, .init = setup, .fini = teardown);

/* ---- declaring in short: "GET /a/{x}", "tool:say", "command:x" ---- */

struct declared {
	struct registration_set set;
	struct registration items[SET_MAX];
	char texts[SET_MAX][80];
};

static void
declare_one(struct declared *d, const char *text)
{
	struct registration *r = &d->items[d->set.count];
	char *copy = d->texts[d->set.count++], *colon, *space;

	snprintf(copy, sizeof(d->texts[0]), "%s", text);
	colon = strchr(copy, ':');
	space = strchr(copy, ' ');
	if (colon && !space) {
		*colon = '\0';
		registration_init(
			r, (enum registration_kind)registration_kind_by_wire(
				   copy, strlen(copy)));
		r->name = colon + 1;
		return;
	}
	registration_init(r, REGISTRATION_HTTP);
	r->name = strdup(text);
	*space = '\0';
	r->http.method = copy;
	r->http.path = space + 1;
	space = strstr(r->http.path, " websocket");
	if (space)
		*space = '\0';
	r->http.websocket = space != NULL;
}

static void
declared_finish(struct declared *d)
{
	for (uint32_t i = 0; i < d->set.count; i++)
		if (d->items[i].kind == REGISTRATION_HTTP)
			free(d->items[i].name);
	d->set.count = 0;
}

static void
declare(struct declared *d, const char *rows)
{
	char text[1024], *rest = text, *row;

	d->set = (struct registration_set){.items = d->items};
	snprintf(text, sizeof(text), "%s", rows);
	while ((row = strsep(&rest, ",")))
		if (*row)
			declare_one(d, row);
}

static const char *
plugin_name(uint32_t number, void *user)
{
	static const char *const names[] = {"zero", "one", "two", "three"};

	return number < 4 ? names[number] : "many";
}

static struct route_edit *
prepare(uint32_t plugin, const char *rows, const char *mount, const char *space)
{
	static struct declared d;
	struct route_edit *e;

	declare(&d, rows);
	e = route_edit_prepare(
		table, plugin, &d.set, mount, space, plugin_name, NULL, &err);
	declared_finish(&d);
	return e;
}

static void
serve(uint32_t plugin, const char *rows, uint32_t worker)
{
	struct route_edit *e = prepare(plugin, rows, NULL, NULL);

	cr_assert(e, "%s", err.text);
	route_edit_commit(e, worker);
}

/* The row's name, and its params as " x=1"; "-" for none; "!" + allow. */
static const char *
find(const char *request)
{
	static char text[512];
	const char *space = strchr(request, ' ');
	struct bytes method = {request, (size_t)(space - request)};
	int used;

	if (path_split(&path, bytes_of(space + 1), &err) == -1)
		return err.text;
	switch (route_find_http(table, method, &path, &match)) {
	case ROUTE_NONE:
		return "-";
	case ROUTE_WRONG_METHOD:
		snprintf(text, sizeof(text), "!%s", match.allow);
		return text;
	case ROUTE_UPGRADE:
		return "upgrade";
	case ROUTE_FOUND:
		break;
	}
	used = snprintf(text, sizeof(text), "%s", match.row->name);
	for (unsigned i = 0; i < match.param_count; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
			" %s=%.*s", match.params[i].name,
			(int)match.params[i].value.length,
			match.params[i].value.at);
	return text;
}

static bool
has_name(enum registration_kind kind, const char *name)
{
	return route_find_name(table, kind, bytes_of(name), &match) ==
	       ROUTE_FOUND;
}

static const char *
rows_of(uint32_t plugin)
{
	static char text[512];
	uint32_t at = plugin == UINT32_MAX ? 0 : plugin, index = 0;
	const struct route_row *row;
	size_t used = 0;

	*text = '\0';
	while ((row = route_table_next(table, &at, &index)) && at <= plugin) {
		cr_assert(row->declared);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"%s%u:%s#%u", used ? "," : "", row->plugin, row->name,
			row->registration);
	}
	return text;
}

/* ---- lookups ---- */

Test(table, prefers_literal_to_param_to_rest)
{
	static const struct {
		const char *request, *want;
	} rows[] = {
		{"GET /", "GET /"},
		{"GET /a", "GET /a"},
		{"GET /a/", "-"},
		{"GET /a/b", "GET /a/b"},
		{"GET /a/x", "GET /a/{p} p=x"},
		{"GET /a/x/c", "GET /a/{q}/c q=x"},
		{"GET /a/b/c", "GET /a/b/* *=c"},
		{"GET /a/b/d", "GET /a/b/* *=d"},
		{"GET /a/b/", "GET /a/b/* *="},
		{"GET /a/b/d/e/", "GET /a/b/* *=d/e/"},
		{"GET /a/%62/d%20d", "GET /a/b/* *=d d"},
		{"GET /a/x/y", "-"},
		{"GET /f", "-"},
		{"GET /f/", "GET /f/* *="},
		{"GET /f/x/../y", "GET /f/* *=y"},
		{"GET /v/1/2", "GET /v/{x}/{y} x=1 y=2"},
		{"GET /v//2", "the path has an empty segment"},
		{"GET /v/1/", "-"},
		{"GET /w/x/y/z", "GET /w/{k}/* k=x *=y/z"},
		{"GET /w/x/y/deep", "GET /w/{k}/y/deep k=x"},
		{"GET /none", "-"},
		{"get /a", "!GET, HEAD"},
	};

	serve(1,
		"GET /,GET /a,GET /a/b,GET /a/{p},GET /a/{q}/c,GET /a/b/*,"
		"GET /f/*,GET /v/{x}/{y},GET /w/{k}/*,GET /w/{k}/y/deep",
		5);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_str_eq(find(rows[i].request), rows[i].want, "%s: %s",
			rows[i].request, find(rows[i].request));
}

static const char *
find_websocket(const char *path_text)
{
	cr_assert_eq(path_split(&path, bytes_of(path_text), &err), 0);
	return route_find_websocket(table, &path, &match) == ROUTE_FOUND
		       ? match.row->name
		       : "-";
}

Test(table, a_websocket_stands_beside_a_route_for_get)
{
	serve(1,
		"GET /a,GET /a websocket,GET /b websocket,POST /b,"
		"GET /c/{x} websocket",
		5);
	cr_expect_str_eq(find("GET /a"), "GET /a");
	cr_expect_str_eq(find_websocket("/a"), "GET /a websocket");
	cr_expect_str_eq(find("GET /b"), "upgrade");
	cr_expect_str_eq(find("HEAD /b"), "upgrade");
	cr_expect_str_eq(find("PUT /b"), "!GET, POST");
	cr_expect_str_eq(find_websocket("/b"), "GET /b websocket");
	cr_expect_str_eq(find("GET /c/d"), "upgrade");
	cr_expect_str_eq(find_websocket("/c/d"), "GET /c/{x} websocket");
	cr_expect_str_eq(find_websocket("/d"), "-");
	cr_expect_null(prepare(2, "GET /a websocket", NULL, NULL));
	cr_expect(strstr(err.text, "taken by plugin 'one'"), "%s", err.text);
	serve(1, "GET /a", 6);
	cr_expect_str_eq(find_websocket("/a"), "-");
	serve(2, "GET /a websocket", 7);
	cr_expect_str_eq(find_websocket("/a"), "GET /a websocket");
}

Test(table, a_match_names_plugin_worker_and_registration)
{
	serve(1, "tool:say,GET /one", 11);
	serve(2, "GET /two/{x}", 22);
	cr_expect_str_eq(find("GET /one"), "GET /one");
	cr_expect_eq(match.plugin, 1);
	cr_expect_eq(match.worker, 11);
	cr_expect_eq(match.registration, 1);
	cr_expect_str_eq(match.row->declared->http.path, "/one");
	cr_expect_str_eq(find("GET /two/2"), "GET /two/{x} x=2");
	cr_expect_eq(match.worker, 22);
	route_table_point(table, 2, 23);
	find("GET /two/2");
	cr_expect_eq(match.worker, 23);
	route_table_point(table, 2, 0);
	cr_expect_str_eq(find("GET /two/2"), "GET /two/{x} x=2");
	cr_expect_eq(match.worker, 0);
	cr_expect_eq(route_table_worker(table, 1), 11);
	cr_expect_eq(route_table_worker(table, 999), 0);
}

Test(table, head_falls_to_get)
{
	serve(1, "GET /a,GET /b,HEAD /b,POST /c,GET /d/{x},HEAD /d/*", 1);
	cr_expect_str_eq(find("HEAD /a"), "GET /a");
	cr_expect_str_eq(find("HEAD /b"), "HEAD /b");
	cr_expect_str_eq(find("HEAD /c"), "!POST");
	cr_expect_str_eq(find("HEAD /d/1"), "GET /d/{x} x=1");
}

Test(table, wrong_method_says_what_is_allowed)
{
	serve(1, "POST /a,GET /a,DELETE /a/{x},PUT /a/*,GET /a/b", 1);
	cr_expect_str_eq(find("PATCH /a"), "!GET, HEAD, POST");
	cr_expect_str_eq(find("PATCH /a/b"), "!GET, HEAD, DELETE, PUT");
	cr_expect_str_eq(find("DELETE /a/b"), "DELETE /a/{x} x=b");
	cr_expect_str_eq(find("PUT /a/b"), "PUT /a/* *=b");
	cr_expect_str_eq(find("PATCH /x"), "-");
	cr_expect_eq(match.allow[0], '\0');
}

Test(table, names_belong_to_their_kind)
{
	serve(1, "tool:say,command:say,method:bot.say", 7);
	cr_expect(has_name(REGISTRATION_TOOL, "say"));
	cr_expect_eq(match.registration, 0);
	cr_expect(has_name(REGISTRATION_COMMAND, "say"));
	cr_expect_eq(match.registration, 1);
	cr_expect(!has_name(REGISTRATION_METHOD, "say"));
	cr_expect(has_name(REGISTRATION_METHOD, "bot.say"));
	cr_expect(!has_name(REGISTRATION_TOOL, "sa"));
	cr_expect(!has_name(REGISTRATION_TOOL, ""));
	cr_expect_str_eq(find("GET /say"), "-");
}

Test(table, mount_and_namespace_let_two_plugins_share_a_package)
{
	static const char rows[] = "tool:say,GET /hook,GET /";

	route_edit_commit(prepare(1, rows, "/bot-a", "bot-a"), 1);
	route_edit_commit(prepare(2, rows, "/bot-b", "bot-b"), 2);
	cr_expect_str_eq(find("GET /bot-a/hook"), "GET /bot-a/hook");
	cr_expect_str_eq(match.row->path, "/bot-a/hook");
	cr_expect_str_eq(match.row->declared->http.path, "/hook");
	cr_expect_str_eq(find("GET /bot-b/"), "GET /bot-b/");
	cr_expect_eq(match.worker, 2);
	cr_expect_str_eq(find("GET /hook"), "-");
	cr_expect(has_name(REGISTRATION_TOOL, "bot-a.say"));
	cr_expect(has_name(REGISTRATION_TOOL, "bot-b.say"));
	cr_expect(!has_name(REGISTRATION_TOOL, "say"));
}

/* ---- edits ---- */

Test(table, conflicts_name_the_row_and_its_owner)
{
	static const struct {
		const char *rows, *reason;
	} rows[] = {
		{"GET /a", "http GET /a is taken by plugin 'one'"},
		{"GET /%61", "http GET /%61 is taken by plugin 'one' "
			     "(as GET /a)"},
		{"POST /a,GET /b/{y}/c", "http GET /b/{y}/c is taken by plugin "
					 "'one' (as GET /b/{x}/c)"},
		{"GET /f/*", "http GET /f/* is taken by plugin 'one'"},
		{"tool:x,tool:say", "tool say is taken by plugin 'one'"},
		{"GET /x/{x},GET /x/{y}", "http GET /x/{y} is registered twice "
					  "(as GET /x/{x})"},
		{"tool:x,tool:x", "tool x is registered twice"},
		{"GET /livez", "http GET /livez: /livez is the gateway's own"},
		{"GET /%61pi/x", "http GET /%61pi/x: /api is the gateway's "
				 "own"},
		{"GET /x/{", "http GET /x/{: path '/x/{': '{' is not a whole "
			     "{name} or *"},
	};

	serve(1, "GET /a,GET /b/{x}/c,GET /f/*,tool:say", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_null(prepare(2, rows[i].rows, NULL, NULL), "%s",
			rows[i].rows);
		cr_expect_str_eq(err.text, rows[i].reason, "%s", err.text);
	}
	cr_expect_str_eq(rows_of(2), "");
	serve(2, "POST /a,GET /b/{x},GET /x/{y},tool:x,GET /apix", 2);
}

Test(table, methods_of_one_path_have_a_limit)
{
	char rows[ROUTE_METHODS_MAX * 16] = "GET /a";

	for (int i = 1; i < ROUTE_METHODS_MAX; i++)
		sprintf(rows + strlen(rows), ",X%c%c /a", 'A' + i / 26,
			'A' + i % 26);
	serve(1, rows, 1);
	serve(1, rows, 2);
	cr_expect_null(prepare(2, "PUT /a", NULL, NULL));
	cr_expect_str_eq(
		err.text, "http PUT /a: the path has more than 64 methods");
	serve(2, "PUT /b", 3);
}

Test(table, prepare_and_discard_leave_everything_as_it_was)
{
	static const char rows[] = "1:GET /a#0,1:GET /b/{x}#1,1:hear#2";
	uint64_t generation;
	struct route_edit *e;

	serve(1, "GET /a,GET /b/{x},tool:hear", 1);
	generation = route_table_generation(table);
	e = prepare(1, "GET /c/{y},tool:say,GET /a,GET /b/{z}", NULL, NULL);
	cr_assert(e);
	cr_expect_str_eq(find("GET /c/1"), "-");
	cr_expect_str_eq(find("GET /b/1"), "GET /b/{x} x=1");
	cr_expect(!has_name(REGISTRATION_TOOL, "say"));
	cr_expect_str_eq(rows_of(1), rows);
	route_edit_discard(e);
	route_edit_discard(NULL);
	cr_expect_str_eq(find("GET /c/1"), "-");
	cr_expect_str_eq(find("GET /b/1"), "GET /b/{x} x=1");
	cr_expect_str_eq(rows_of(UINT32_MAX), rows);
	cr_expect_null(prepare(1, "GET /d,GET /e,GET /d", NULL, NULL));
	cr_expect_str_eq(rows_of(UINT32_MAX), rows);
	cr_expect_eq(route_table_generation(table), generation);
	serve(2, "GET /c/{y},tool:say,GET /d", 2);
}

Test(table, commit_adds_drops_and_renumbers_in_one_step)
{
	const struct route_row *kept;
	struct route_edit *e;

	serve(1, "GET /a,GET /b,tool:x,GET /p/{x}", 1);
	find("GET /b");
	kept = match.row;
	e = prepare(1, "tool:y,GET /p/{z},GET /b,GET /c", NULL, NULL);
	cr_assert(e);
	cr_expect_str_eq(find("GET /a"), "GET /a");
	cr_expect_eq(match.worker, 1);
	route_edit_commit(e, 2);
	cr_expect_str_eq(find("GET /a"), "-");
	cr_expect(!has_name(REGISTRATION_TOOL, "x"));
	cr_expect(has_name(REGISTRATION_TOOL, "y"));
	cr_expect_str_eq(find("GET /p/1"), "GET /p/{z} z=1");
	cr_expect_eq(match.registration, 1);
	cr_expect_str_eq(find("GET /b"), "GET /b");
	cr_expect_eq(match.row, kept);
	cr_expect_eq(match.registration, 2);
	cr_expect_eq(match.worker, 2);
	cr_expect_str_eq(
		rows_of(1), "1:y#0,1:GET /p/{z}#1,1:GET /b#2,1:GET /c#3");
	cr_expect_eq(route_table_generation(table), 2);
}

/* No worker can register such a kind yet; the table takes any. */
Test(table, several_plugins_may_have_the_same_name_of_a_shared_kind)
{
	serve(1, "hook:message.inbound", 1);
	serve(2, "hook:message.inbound", 2);
	cr_expect_str_eq(rows_of(1), "1:message.inbound#0");
	cr_expect_str_eq(rows_of(2), "2:message.inbound#0");
	cr_expect_null(prepare(3, "hook:a,hook:a", NULL, NULL));
	serve(1, "tool:x", 1);
	cr_expect_null(prepare(3, "tool:x", NULL, NULL));
	cr_expect_str_eq(rows_of(2), "2:message.inbound#0");
}

Test(table, an_equal_set_keeps_rows_and_takes_new_declarations)
{
	struct registration r = {.kind = REGISTRATION_TOOL,
		.name = strdup("say"),
		.idempotent = -1,
		.description = strdup("old")};
	struct registration_set set = {.items = &r, .count = 1};
	const struct route_row *row;
	const struct registration *declared;

	for (uint32_t worker = 1; worker <= 3; worker++) {
		struct route_edit *e = route_edit_prepare(
			table, 1, &set, "", "", plugin_name, NULL, &err);

		cr_assert(e);
		route_edit_commit(e, worker);
		cr_assert(has_name(REGISTRATION_TOOL, "say"));
		cr_expect_eq(match.worker, worker);
		if (worker == 2) {
			cr_expect_eq(match.row, row);
			cr_expect_eq(match.row->declared, declared);
			strcpy(r.description, "new");
			r.idempotent = 1;
		} else if (worker == 3) {
			cr_expect_eq(match.row, row);
		}
		row = match.row;
		declared = row->declared;
	}
	cr_expect_str_eq(declared->description, "new");
	cr_expect_eq(declared->idempotent, 1);
	free(r.name);
	free(r.description);
}

Test(table, edits_of_several_plugins_hold_their_names_until_they_end)
{
	struct route_edit *one, *two;

	serve(1, "GET /a", 1);
	serve(2, "GET /b", 2);
	one = prepare(1, "GET /a,GET /new", NULL, NULL);
	cr_assert(one);
	cr_expect_null(prepare(2, "GET /new", NULL, NULL));
	cr_expect_str_eq(err.text, "http GET /new is taken by plugin 'one'");
	two = prepare(2, "GET /b/{x},GET /b/{x}/c", NULL, NULL);
	cr_assert(two);
	serve(3, "GET /c,GET /b/{x}/{y}", 3);
	route_edit_commit(one, 11);
	route_edit_commit(two, 22);
	cr_expect_str_eq(find("GET /new"), "GET /new");
	cr_expect_eq(match.worker, 11);
	cr_expect_str_eq(find("GET /b"), "-");
	cr_expect_str_eq(find("GET /b/1"), "GET /b/{x} x=1");
	cr_expect_str_eq(find("GET /b/1/2"), "GET /b/{x}/{y} x=1 y=2");
	cr_expect_str_eq(rows_of(3), "3:GET /c#0,3:GET /b/{x}/{y}#1");
}

/* ---- several in one go ---- */

#define WISHES_MAX 3

static struct route_wish wishes[WISHES_MAX];

/* rows[i] of plugin i + 1; NULL: not known yet. */
static int
prepare_all(const char *const *rows, size_t count)
{
	static struct declared d[WISHES_MAX];
	int result;

	for (size_t i = 0; i < count; i++) {
		wishes[i] = (struct route_wish){.plugin = (uint32_t)i + 1};
		if (!rows[i])
			continue;
		declare(&d[i], rows[i]);
		wishes[i].set = &d[i].set;
	}
	result = route_edit_prepare_all(
		table, wishes, count, plugin_name, NULL, &err);
	for (size_t i = 0; i < count; i++)
		if (rows[i])
			declared_finish(&d[i]);
	return result;
}

static void
commit_all(size_t count, bool backwards)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = backwards ? count - 1 - i : i;

		route_edit_commit(wishes[at].edit, 10 + (uint32_t)at);
	}
}

Test(table, a_row_moves_between_members_of_one_commit)
{
	for (int order = 0; order < 2; order++) {
		serve(1, "GET /a,GET /moves,tool:moves", 1);
		serve(2, "GET /b", 2);
		cr_assert_eq(
			prepare_all((const char *[]){"GET /a",
					    "GET /b,GET /moves,tool:moves"},
				2),
			0, "%s", err.text);
		find("GET /moves");
		cr_expect_eq(match.worker, 1);
		commit_all(2, order);
		find("GET /moves");
		cr_expect_eq(match.worker, 11);
		cr_expect_eq(match.plugin, 2);
		cr_expect(has_name(REGISTRATION_TOOL, "moves"));
		cr_expect_str_eq(rows_of(1), "1:GET /a#0");
		/* And back, so that it goes both ways in the list. */
		cr_assert_eq(prepare_all((const char *[]){"GET /a,GET /moves,"
							  "tool:moves",
						 "GET /b"},
				     2),
			0, "%s", err.text);
		commit_all(2, order);
		find("GET /moves");
		cr_expect_eq(match.worker, 10);
	}
}

Test(table, members_of_one_commit_trade_their_rows)
{
	serve(1, "GET /one,GET /x/{a}", 1);
	serve(2, "GET /two", 2);
	serve(3, "GET /three", 3);
	cr_assert_eq(prepare_all((const char *[]){"GET /two", "GET /three",
					 "GET /one,GET /x/{b}"},
			     3),
		0, "%s", err.text);
	commit_all(3, false);
	cr_expect_str_eq(rows_of(1), "1:GET /two#0");
	cr_expect_str_eq(rows_of(2), "2:GET /three#0");
	cr_expect_str_eq(rows_of(3), "3:GET /one#0,3:GET /x/{b}#1");
	cr_expect_str_eq(find("GET /x/1"), "GET /x/{b} b=1");
}

Test(table, members_conflict_as_the_table_after_all_of_them_would)
{
	static const struct {
		const char *one, *two;
		int refused;
		const char *why;
	} cases[] = {
		{"GET /a,GET /n", "GET /n", 1, "taken by plugin 'one'"},
		{"GET /n", "GET /n,GET /b", 1, "taken by plugin 'one'"},
		{"GET /a", "GET /b,GET /a", 1, "taken by plugin 'one'"},
		{"GET /a,GET /b", "GET /b", 1, "taken by plugin 'one'"},
		{"GET /c", "GET /b", 0, "taken by plugin 'three'"},
	};

	serve(1, "GET /a", 1);
	serve(2, "GET /b", 2);
	serve(3, "GET /c", 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *rows[] = {cases[i].one, cases[i].two};
		int refused = cases[i].refused;

		cr_expect_eq(prepare_all(rows, 2), -1, "case %zu", i);
		cr_expect(wishes[refused].refused, "case %zu", i);
		cr_expect(!wishes[1 - refused].refused, "case %zu", i);
		cr_expect_null(wishes[0].edit);
		cr_expect_null(wishes[1].edit);
		cr_expect(strstr(err.text, cases[i].why), "%s", err.text);
		cr_expect_str_eq(rows_of(1), "1:GET /a#0");
		cr_expect_str_eq(rows_of(2), "2:GET /b#0");
	}
	/* Nothing is held by what was refused. */
	serve(3, "GET /c,GET /n", 3);
}

Test(table, rows_of_a_member_that_is_not_known_yet_may_go)
{
	serve(1, "GET /a", 1);
	serve(3, "GET /c", 3);
	cr_assert_eq(prepare_all((const char *[]){NULL, "GET /a"}, 2), 0);
	route_edit_discard(wishes[0].edit);
	route_edit_discard(wishes[1].edit);
	cr_expect_eq(prepare_all((const char *[]){NULL, "GET /c"}, 2), -1);
	cr_expect_str_eq(rows_of(1), "1:GET /a#0");
}

Test(table, removing_a_plugin_leaves_the_others)
{
	serve(1, "GET /a/{x},tool:one,GET /m", 1);
	serve(2, "GET /a/{x}/b,tool:two,POST /m", 2);
	route_table_remove(table, 1);
	cr_expect_str_eq(find("GET /a/1"), "-");
	cr_expect_str_eq(find("GET /a/1/b"), "GET /a/{x}/b x=1");
	cr_expect_str_eq(find("GET /m"), "!POST");
	cr_expect(!has_name(REGISTRATION_TOOL, "one"));
	cr_expect(has_name(REGISTRATION_TOOL, "two"));
	cr_expect_eq(route_table_worker(table, 1), 0);
	route_table_remove(table, 1);
	route_table_remove(table, 77);
	serve(3, "GET /a/{y},GET /m", 3);
	cr_expect_str_eq(find("HEAD /m"), "GET /m");
	cr_expect_eq(match.worker, 3);
}

Test(table, reading_changes_nothing)
{
	uint64_t generation;

	serve(1, "GET /a", 1);
	generation = route_table_generation(table);
	for (int i = 0; i < 100; i++) {
		find("GET /a");
		find("GET /zzz");
		rows_of(UINT32_MAX);
		has_name(REGISTRATION_TOOL, "a");
	}
	route_table_point(table, 1, 2);
	cr_expect_eq(route_table_generation(table), generation);
}

Test(table, a_hostile_path_costs_one_visit_per_place)
{
	char rows[1024] = "", request[1024] = "GET ";

	/* every combination of literal and param, and a path that fits all
	 * but in its last segment */
	for (unsigned plugin = 0; plugin < 64; plugin++) {
		*rows = '\0';
		for (unsigned i = 0; i < 16; i++) {
			unsigned bits = plugin * 16 + i;
			size_t used = strlen(rows);

			used += (size_t)sprintf(rows + used, "GET ");
			for (unsigned k = 0; k < 10; k++)
				if (bits >> k & 1)
					used += (size_t)sprintf(
						rows + used, "/{p%u}", k);
				else
					used += (size_t)sprintf(
						rows + used, "/a");
			sprintf(rows + used, "/z,");
		}
		serve(plugin, rows, 1);
	}
	for (int k = 0; k < 100; k++)
		strcat(request, "/a");
	for (int i = 0; i < 2000; i++)
		cr_assert_str_eq(find(request), "-");
}

Test(table, a_thousand_plugins_come_and_go)
{
	char rows[1024], request[64];

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 1000; i++) {
			snprintf(rows, sizeof(rows),
				"GET /p%u,GET /p%u/{x},tool:t%u,GET /v%d/p%u",
				i, i, i, round, i);
			serve(i, rows, i + 1);
		}
		for (uint32_t i = 0; i < 1000; i++) {
			snprintf(request, sizeof(request), "GET /p%u/1", i);
			find(request);
			cr_assert_eq(match.worker, i + 1);
			snprintf(request, sizeof(request), "GET /v%d/p%u",
				round - 1, i);
			cr_assert_str_eq(find(request), "-");
		}
	}
	for (uint32_t i = 0; i < 1000; i += 2)
		route_table_remove(table, i);
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(request, sizeof(request), "GET /p%u", i);
		cr_assert_str_eq(find(request), i % 2 ? request : "-");
	}
}

/* ---- against a naive matcher ---- */

enum { PLUGINS = 6, PATTERN_MAX = 5 };

static char shadow[PLUGINS][SET_MAX][40]; /* rows in service, "GET /..." */
static unsigned shadow_count[PLUGINS];

static void
random_row(char *text)
{
	static const char *const segments[] = {"a", "b", "c", "{}", "{}", ""};
	static const char *const methods[] = {"GET", "POST", "HEAD"};
	int count = 1 + (int)random() % PATTERN_MAX, used;

	used = sprintf(text, "%s ", methods[random() % 3]);
	for (int i = 0; i < count; i++) {
		const char *s = segments[random() % 6];

		if (!*s && i + 1 < count)
			s = "a";
		if (!*s && random() % 2)
			s = "*";
		used += *s == '{' ? sprintf(text + used, "/{p%d}",
					    (int)(random() % 2 * 10 + i))
				  : sprintf(text + used, "/%s", s);
	}
}

/* "012.." per segment: literal, param, rest; what precedence compares. NULL:
 * the pattern does not match. */
static const char *
naive_key(const char *pattern, const char *request)
{
	static char key[16];
	size_t used = 0, p, r;

	while (*pattern == '/') {
		pattern++;
		if (!strcmp(pattern, "*") && *request == '/') {
			strcpy(key + used, "2");
			return key;
		}
		if (*request++ != '/')
			return NULL;
		p = strcspn(pattern, "/");
		r = strcspn(request, "/");
		if (*pattern == '{' && !r)
			return NULL;
		if (*pattern != '{' && (p != r || memcmp(pattern, request, p)))
			return NULL;
		key[used++] = *pattern == '{' ? '1' : '0';
		pattern += p;
		request += r;
	}
	key[used] = '\0';
	return *request ? NULL : key;
}

/* The row that should have it, "-", or "!". */
static const char *
naive_find(const char *method, const char *request)
{
	char best[17] = "9";
	const char *found = "-", *key;

	for (unsigned i = 0; i < PLUGINS; i++)
		for (unsigned k = 0; k < shadow_count[i]; k++) {
			const char *row = shadow[i][k];
			size_t length = strcspn(row, " ");
			bool exact = length == strlen(method) &&
				     !memcmp(row, method, length);
			bool head = !strcmp(method, "HEAD") &&
				    !memcmp(row, "GET ", 4);
			char full[17];

			if (!(key = naive_key(row + length + 1, request)))
				continue;
			if (*found == '-')
				found = "!";
			snprintf(full, sizeof(full), "%s%c", key,
				exact ? ' ' : '!');
			if ((exact || head) && strcmp(full, best) < 0) {
				strcpy(best, full);
				found = row;
			}
		}
	return found;
}

static bool
same_shape(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if (*a == '{' && *b == '{') {
			a += strcspn(a, "}");
			b += strcspn(b, "}");
		}
		if (*a != *b)
			return false;
	}
	return *a == *b;
}

static bool
naive_conflict(unsigned plugin, const struct declared *d)
{
	for (uint32_t n = 0; n < d->set.count; n++) {
		const char *name = d->items[n].name;

		for (uint32_t m = 0; m < n; m++)
			if (same_shape(d->items[m].name, name))
				return true;
		for (unsigned i = 0; i < PLUGINS; i++)
			for (unsigned k = 0; k < shadow_count[i]; k++)
				if (i != plugin &&
					same_shape(shadow[i][k], name))
					return true;
	}
	return false;
}

static void
random_edit(struct declared *d)
{
	unsigned plugin = (unsigned)random() % PLUGINS;
	unsigned count = (unsigned)random() % 6;
	struct route_edit *e;
	char text[80];

	d->set = (struct registration_set){.items = d->items};
	for (unsigned i = 0; i < count; i++) {
		bool again = shadow_count[plugin] && random() % 2;

		if (again)
			strcpy(text, shadow[plugin][(unsigned)random() %
						    shadow_count[plugin]]);
		else
			random_row(text);
		declare_one(d, text);
	}
	e = route_edit_prepare(
		table, plugin, &d->set, NULL, NULL, plugin_name, NULL, &err);
	cr_assert_eq(!e, naive_conflict(plugin, d), "%s", err.text);
	if (e && random() % 4) {
		route_edit_commit(e, plugin + 1);
		shadow_count[plugin] = count;
		for (unsigned i = 0; i < count; i++)
			strcpy(shadow[plugin][i], d->items[i].name);
	} else {
		route_edit_discard(e);
	}
	declared_finish(d);
}

Test(table, agrees_with_a_naive_matcher)
{
	static const char *const methods[] = {"GET", "POST", "HEAD", "PUT"};
	static const char *const segments[] = {"a", "b", "c", "d"};
	static struct declared d;

	srandom(11);
	for (int round = 0; round < 3000; round++) {
		random_edit(&d);
		if (random() % 50 == 0) {
			unsigned plugin = (unsigned)random() % PLUGINS;

			route_table_remove(table, plugin);
			shadow_count[plugin] = 0;
		}
		for (int i = 0; i < 20; i++) {
			const char *method = methods[random() % 4], *want;
			char request[80], line[90];
			int count = 1 + (int)random() % 6;
			size_t used = 0, length;

			for (int k = 0; k < count; k++)
				used += (size_t)sprintf(request + used, "/%s",
					k + 1 == count && random() % 4 == 0
						? ""
						: segments[random() % 4]);
			sprintf(line, "%s %s", method, request);
			want = naive_find(method, request);
			length = *want == '!' ? 1 : strlen(want);
			cr_assert(!strncmp(find(line), want, length), "%s: %s",
				line, want);
			cr_assert(*want == '!' || *want == '-' ||
				  !strcmp(match.row->name, want));
		}
	}
}

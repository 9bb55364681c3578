/* Accept fields that ask for JSON, and those that do not. */
#include <criterion/criterion.h>

#include "supervisor/http/accept.h"

Test(accept, names_json_or_not)
{
	static const struct {
		const char *value;
		bool json;
	} rows[] = {
		{"application/json", true},
		{"Application/JSON", true},
		{"text/html, application/json;q=0.5", true},
		{"application/json, text/plain, */*", true},
		{" application/json ; charset=utf-8 ; q=1", true},
		{"application/json;q=0", false},
		{"application/json; q=0.000", false},
		{"application/json;q=", true},
		{"*/*", false},
		{"application/*", false},
		{"application/jsonp", false},
		{"application/json2, text/html", false},
		{"text/plain", false},
		{",,;", false},
		{"", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(accept_has_json(bytes_of(rows[i].value)),
			rows[i].json, "%s", rows[i].value);
}

/* cause: see cause.h. */
#include "supervisor/reload/cause.h"

#include <stdarg.h>

#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/reload/transaction.h"

json_t *
cause_create(const char *format, ...)
{
	char text[CAUSE_TEXT_MAX];
	json_t *cause = json_object();
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_set_new(cause, "text", value_text(text));
	return cause;
}

void
reload_describe(const struct plugin *p, struct buffer *out)
{
	const struct reload *r = p->reload;

	buffer_format(out, "%s (%s, %s%s%s): %s", r->id,
		reload_kind_texts[r->asked], r->trigger, *r->by ? ", " : "",
		r->by, reload_state_texts[r->state]);
}

void
cause_note(struct plugin *p, json_t *cause)
{
	if (p->reload && !p->reload->cause)
		p->reload->cause = cause;
	else
		json_decref(cause);
}

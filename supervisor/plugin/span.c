/* span: writes the record of a request's span. */
#include "supervisor/plugin/span.h"

#include "proto/codec.h"
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

/* `error.type` of spans. */
static const char *const words[REQUEST_FAILURE_COUNT] = {
	[REQUEST_OVERFLOW] = "overflow",
	[REQUEST_HELD_TOO_LONG] = "held_too_long",
	[REQUEST_UNAVAILABLE] = "unavailable",
	[REQUEST_STOPPING] = "stopping",
	[REQUEST_DIED] = "worker_died",
	[REQUEST_BAD_ANSWER] = "bad_answer",
	[REQUEST_FAILED] = "failed",
	[REQUEST_LATE] = "timeout",
	[REQUEST_ENDED] = "ended_by_reload",
};

void
span_sending(struct worker *w, const struct request *r)
{
	char text[TRACEPARENT_BYTES + 1];
	msgpack_packer *packer;

	if (!trace_is_sampled(&r->span) || r->ops->carries_trace)
		return;
	traceparent_write(&r->span.context, text);
	packer = peer_begin(&w->private->peer);
	codec_notification(packer, MESSAGE_TRACE, 2);
	msgpack_pack_uint32(packer, r->id);
	codec_str(packer, (struct bytes){text, TRACEPARENT_BYTES});
	peer_end(&w->private->peer);
}

static const struct registration *
registration_of(const struct worker *w, const struct request *r)
{
	return w && r->registration < w->registrations.count
		       ? &w->registrations.items[r->registration]
		       : NULL;
}

static void
end(struct workers *all, const struct worker *w, const char *plugin_id,
	struct request *r, const char *error, const char *text)
{
	const struct registration *of = registration_of(w, r);
	const struct trace_span span = r->span;
	char name[RECORD_TEXT_MAX + 1] = "";

	r->span = (struct trace_span){0};
	if (span.context.sampling != TRACE_SAMPLED)
		return;
	if (r->ops->name)
		text_format(name, sizeof(name), "%s%s%s", r->ops->name,
			of ? " " : "", of ? of->name : "");
	else if (!of && r->ops->describe && !r->ops->carries_trace)
		r->ops->describe(r, name, sizeof(name));
	tracer_end_request(
		&all->tracer, &(const struct tracer_request){
				      .span = &span,
				      .kind = of && !*name ? (int)of->kind : -1,
				      .name = *name ? name
					      : of  ? of->name
						    : NULL,
				      .plugin_id = w ? w->plugin_id : plugin_id,
				      .generation = w ? w->generation : 0,
				      .sends = r->sends,
				      .error = error,
				      .text = text,
			      });
}

void
span_answered(struct worker *w, struct request *r, const struct message *m)
{
	struct workers *all = w->private->workers;
	char text[RECORD_TEXT_MAX + 1];
	enum wire_error code;

	if (!r->span.context.sampling)
		return;
	if (!m || !m->error) {
		end(all, w, NULL, r, NULL, NULL);
		return;
	}
	code = codec_read_error(m->error, text, sizeof(text));
	end(all, w, NULL, r, wire_error_text(code), text);
}

void
span_failed(struct workers *all, const struct worker *w, const char *plugin_id,
	struct request *r, enum request_failure why, const char *text)
{
	if (r->span.context.sampling)
		end(all, w, plugin_id, r, words[why],
			text ? text : request_failures[why].text);
}

void
span_unsent(struct workers *all, const char *plugin_id, struct request *r,
	const char *error, const char *text)
{
	end(all, NULL, plugin_id, r, error, text);
}

void
span_cancelled(struct workers *all, const struct worker *w,
	const char *plugin_id, struct request *r)
{
	if (r->span.context.sampling)
		end(all, w, plugin_id, r, "cancelled", NULL);
}

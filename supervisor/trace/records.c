/* records: appends to the queue. */
#include "supervisor/trace/records.h"

const char *const record_signal_texts[RECORD_SIGNAL_COUNT] = {
#define X(name, text) [RECORD_##name] = text,
	RECORD_SIGNALS(X)
#undef X
};

const char *const record_drop_texts[RECORD_DROP_COUNT] = {
#define X(name, text) [RECORD_DROP_##name] = text,
	RECORD_DROPS(X)
#undef X
};

void
records_finish(struct records *r)
{
	buffer_finish(&r->waiting);
	r->is_on = false;
	r->count = 0;
	memset(r->counts, 0, sizeof(r->counts));
}

uint8_t *
records_begin(struct records *r, enum record_signal signal, size_t bytes)
{
	unsigned share = signal == RECORD_SPANS ? 1 : 2;

	if (!r->is_on)
		return NULL;
	if (r->count < RECORDS_MAX / share &&
		buffer_length(&r->waiting) + bytes <= RECORDS_BYTES_MAX / share)
		return buffer_reserve(&r->waiting, bytes);
	r->totals[signal].made++;
	r->totals[signal].dropped[RECORD_DROP_OVERFLOW]++;
	return NULL;
}

void
records_end(struct records *r, enum record_signal signal, uint8_t *end)
{
	size_t before = buffer_length(&r->waiting);
	size_t bytes = (size_t)(end - (r->waiting.memory + r->waiting.end));

	buffer_commit(&r->waiting, bytes);
	r->counts[signal]++;
	r->totals[signal].made++;
	if (!r->count++ && r->on_first)
		r->on_first(r);
	else if (before < RECORDS_SOON_BYTES &&
		 before + bytes >= RECORDS_SOON_BYTES && r->on_many)
		r->on_many(r);
}

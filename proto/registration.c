/* registration: sets of what a worker says it offers. Whether two plugins
 * collide is the route table's business. */
#include "proto/registration.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/map.h"
#include "proto/util/memory.h"

/* The label with the names of path parameters left out: what collides. */
static char *
registration_shape(const struct registration *r)
{
	char *label = registration_label(r), *to = label;
	bool inside = false;

	for (const char *from = label; *from; from++) {
		if (*from == '}')
			inside = false;
		if (!inside)
			*to++ = *from;
		if (*from == '{')
			inside = true;
	}
	*to = '\0';
	return label;
}

/* So that a `ready` message cannot hold supd for long. */
static int
count_parts(struct registration_set *set, const struct registration *r,
	struct error *err)
{
	const struct registration_kind_row *row = registration_kinds[r->kind];

	set->part_count += row->parts ? row->parts(r) : 0;
	if (set->part_count <= REGISTRATION_PARTS_MAX)
		return 0;
	return error_set(err,
		"schema: the schemas of the registrations have more than %d "
		"parts together",
		REGISTRATION_PARTS_MAX);
}

/* What is known of a set while it is read. */
struct reading {
	struct map seen; /* registrations by shape */
	struct map common[REGISTRATION_KIND_COUNT];
};

static void
reading_finish(struct reading *reading)
{
	map_finish(&reading->seen);
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		map_finish(&reading->common[i]);
}

static int
read_one(struct registration *r, struct reading *reading,
	const msgpack_object *item, struct error *err)
{
	const struct registration_kind_row *row;

	if (registration_read(r, item, err) < 0)
		return -1;
	row = registration_kinds[r->kind];
	return row->share ? row->share(r, &reading->common[r->kind], err) : 0;
}

/* Reads item i and files it in `seen` by shape. */
static int
set_read_one(struct registration_set *set, struct reading *reading,
	const msgpack_object *item, struct error *err)
{
	struct registration *r = &set->items[set->count++];
	int result = 0;
	char *shape;

	if (read_one(r, reading, item, err) < 0 || count_parts(set, r, err) < 0)
		return -1;
	shape = registration_shape(r);
	if (map_get(&reading->seen, shape, strlen(shape)))
		result = error_set(err, "%s is registered twice", shape);
	map_set(&reading->seen, shape, strlen(shape), r);
	free(shape);
	return result;
}

static int
compare_name(const struct registration *r, enum registration_kind kind,
	const char *name)
{
	if (r->kind != kind)
		return r->kind < kind ? -1 : 1;
	return strcmp(r->name, name);
}

static int
compare_items(const void *a, const void *b, void *user)
{
	const struct registration *items = user;
	const struct registration *second = &items[*(const uint32_t *)b];

	return compare_name(
		&items[*(const uint32_t *)a], second->kind, second->name);
}

static void
set_sort(struct registration_set *set)
{
	set->order = memory_alloc((set->count + 1) * sizeof(*set->order));
	for (uint32_t i = 0; i < set->count; i++)
		set->order[i] = i;
	qsort_r(set->order, set->count, sizeof(*set->order), compare_items,
		set->items);
}

int
registration_set_read(struct registration_set *set, const msgpack_object *list,
	struct error *err)
{
	struct reading reading = {0};
	uint32_t count;

	*set = (struct registration_set){0};
	if (list->type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "registrations are not an array");
	count = list->via.array.size;
	if (count > REGISTRATIONS_MAX)
		return error_set(err, "%u registrations are more than %d",
			count, REGISTRATIONS_MAX);
	set->items = memory_alloc(count * sizeof(*set->items));
	while (set->count < count) {
		uint32_t i = set->count;

		if (set_read_one(set, &reading, &list->via.array.ptr[i], err) <
			0) {
			reading_finish(&reading);
			registration_set_finish(set);
			return error_prefix(err, "registration %u: ", i);
		}
	}
	reading_finish(&reading);
	set_sort(set);
	return 0;
}

void
registration_set_finish(struct registration_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		registration_finish(&set->items[i]);
	free(set->items);
	free(set->order);
	*set = (struct registration_set){0};
}

void
registration_set_copy(
	struct registration_set *to, const struct registration_set *from)
{
	size_t count = (size_t)from->count + 1;

	*to = (struct registration_set){.count = from->count};
	to->items = memory_alloc(count * sizeof(*to->items));
	if (from->order) {
		to->order = memory_alloc(count * sizeof(*to->order));
		memcpy(to->order, from->order,
			from->count * sizeof(*to->order));
	}
	for (uint32_t i = 0; i < from->count; i++)
		registration_copy(&to->items[i], &from->items[i]);
}

/* Of a set without an order: from the front. */
static const struct registration *
find_unsorted(const struct registration_set *set, enum registration_kind kind,
	const char *name)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (!compare_name(&set->items[i], kind, name))
			return &set->items[i];
	return NULL;
}

const struct registration *
registration_find(const struct registration_set *set,
	enum registration_kind kind, const char *name)
{
	uint32_t low = 0, high = set->count;

	if (!set->order)
		return find_unsorted(set, kind, name);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct registration *r = &set->items[set->order[middle]];
		int difference = compare_name(r, kind, name);

		if (!difference)
			return r;
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* zone: reads TZif files (RFC 8536) and answers which offset holds when. Each
 * count is checked against the bytes that are there. */
#include "proto/when/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "proto/when/civil.h"
#include "proto/when/zone_rule.h"

#define FILE_MAX_BYTES (64 * 1024)
#define NAME_MAX_BYTES 64
#define KEEP_FROM 946684800 /* 2000-01-01 */
#define OFFSET_MAX_S (26 * 3600)
#define HEAD_BYTES 44
#define FOLDER "/usr/share/zoneinfo"
#define MACHINE "/etc/localtime"

struct zone {
	unsigned references;
	char *name;
	int32_t first; /* the offset before all changes */
	size_t count;
	struct zone_change *changes;
	struct zone_rule rule; /* after the last change, if it has summer */
};

/* ---- a TZif file ---- */

static uint32_t
read_u32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static int64_t
read_time(const char *at, size_t size)
{
	if (size == 4)
		return (int32_t)read_u32(at);
	return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

/* A block of the file: its counts and where its parts are. */
struct block {
	size_t times, types, leaps;
	size_t time_bytes;
	const char *time_at, *index_at, *type_at;
	struct bytes rest; /* behind it */
};

static bool
block_read(struct block *b, struct bytes file, size_t time_bytes)
{
	uint32_t n[6];
	size_t size;

	if (file.length < HEAD_BYTES || memcmp(file.at, "TZif", 4) != 0)
		return false;
	for (size_t i = 0; i < 6; i++) {
		n[i] = read_u32(file.at + 20 + 4 * i);
		if (n[i] > FILE_MAX_BYTES)
			return false;
	}
	*b = (struct block){.times = n[3],
		.types = n[4],
		.leaps = n[2],
		.time_bytes = time_bytes};
	b->time_at = file.at + HEAD_BYTES;
	b->index_at = b->time_at + b->times * time_bytes;
	b->type_at = b->index_at + b->times;
	size = HEAD_BYTES + b->times * (time_bytes + 1) + b->types * 6 + n[5] +
	       b->leaps * (time_bytes + 4) + n[1] + n[0];
	if (size > file.length || !b->types)
		return false;
	b->rest = (struct bytes){file.at + size, file.length - size};
	return true;
}

/* The offset of a type; false: it is not one. */
static bool
type_offset(const struct block *b, unsigned type, int32_t *out)
{
	if (type >= b->types)
		return false;
	*out = (int32_t)read_u32(b->type_at + 6 * type);
	return *out >= -OFFSET_MAX_S && *out <= OFFSET_MAX_S;
}

static bool
take_changes(struct zone *z, const struct block *b)
{
	int64_t last = INT64_MIN;
	int32_t now;

	if (!type_offset(b, 0, &z->first))
		return false;
	now = z->first;
	z->changes = memory_alloc((b->times + 1) * sizeof(*z->changes));
	for (size_t i = 0; i < b->times; i++) {
		struct zone_change c = {
			.at = read_time(
				b->time_at + i * b->time_bytes, b->time_bytes)};

		if (c.at <= last ||
			!type_offset(
				b, (unsigned char)b->index_at[i], &c.offset))
			return false;
		last = c.at;
		if (c.at < KEEP_FROM)
			z->first = c.offset;
		else if (c.offset != now) /* else only its name changes */
			z->changes[z->count++] = c;
		now = c.offset;
	}
	return true;
}

/* The rule stands between two newlines. An empty one is none. */
static bool
take_rule(struct zone *z, struct bytes rest)
{
	const char *end;

	if (rest.length < 2 || rest.at[0] != '\n')
		return false;
	rest.at++;
	rest.length--;
	end = memchr(rest.at, '\n', rest.length);
	if (!end)
		return false;
	rest.length = (size_t)(end - rest.at);
	if (!rest.length)
		return true;
	if (!zone_rule_parse(&z->rule, rest))
		return false;
	if (!z->count)
		z->first = z->rule.standard;
	return true;
}

static struct zone *
zone_create(const char *name)
{
	struct zone *z = memory_alloc(sizeof(*z));

	z->references = 1;
	z->name = memory_copy_text(name);
	return z;
}

struct zone *
zone_read(const char *name, struct bytes file, struct error *err)
{
	struct zone *z = zone_create(name);
	struct block block;
	bool good = block_read(&block, file, 4);
	bool is_old = good && !file.at[4];

	if (good && !is_old)
		good = block_read(&block, block.rest, 8);
	if (good && !block.leaps && take_changes(z, &block) &&
		(is_old || take_rule(z, block.rest)))
		return z;
	zone_unref(z);
	error_set(err, "the time zone \"%s\" has %s", name,
		good && block.leaps ? "leap seconds"
				    : "a file that is damaged");
	return NULL;
}

struct zone *
zone_ref(struct zone *z)
{
	if (z)
		z->references++;
	return z;
}

void
zone_unref(struct zone *z)
{
	if (!z || --z->references)
		return;
	free(z->changes);
	free(z->name);
	free(z);
}

const char *
zone_name(const struct zone *z)
{
	return z->name;
}

/* ---- finding one ---- */

/* Names of the database, none of which leads out of its folder. */
static bool
name_is_good(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+-_/";
	size_t length = strlen(name);

	return length && length <= NAME_MAX_BYTES && *name != '/' &&
	       name[length - 1] != '/' && strspn(name, allowed) == length;
}

static struct zone *
read_file(const char *name, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat what;
	struct zone *z = NULL;
	char *text;
	ssize_t got;

	if (fd < 0 || fstat(fd, &what) < 0 || !S_ISREG(what.st_mode) ||
		what.st_size > FILE_MAX_BYTES) {
		error_set(err, "there is no time zone \"%s\"%s%s", name,
			fd < 0 && errno != ENOENT ? ": " : "",
			fd < 0 && errno != ENOENT ? strerror(errno) : "");
	} else {
		text = memory_alloc((size_t)what.st_size + 1);
		got = read(fd, text, (size_t)what.st_size);
		z = zone_read(name,
			(struct bytes){text, got < 0 ? 0 : (size_t)got}, err);
		free(text);
	}
	if (fd >= 0)
		close(fd);
	return z;
}

static struct zone *
open_named(const char *name, struct error *err)
{
	const char *folder = getenv("TZDIR");
	struct zone *z;
	char *path;

	if (!strcmp(name, "UTC"))
		return zone_create(name);
	if (!name_is_good(name)) {
		error_set(err, "there is no time zone \"%.64s\"", name);
		return NULL;
	}
	path = memory_format(
		"%s/%s", folder && *folder ? folder : FOLDER, name);
	z = read_file(name, path, err);
	free(path);
	return z;
}

/* The name that /etc/localtime leads to, or "localtime". */
static struct zone *
open_machine(void)
{
	char target[PATH_MAX];
	ssize_t length = readlink(MACHINE, target, sizeof(target) - 1);
	const char *name = NULL;

	if (length > 0) {
		target[length] = '\0';
		name = strstr(target, "zoneinfo/");
	}
	return read_file(
		name ? name + strlen("zoneinfo/") : "localtime", MACHINE, NULL);
}

static struct zone *
open_default(void)
{
	const char *tz = getenv("TZ");
	struct zone *z;
	struct zone_rule rule;

	if (!tz || !*tz) {
		z = open_machine();
		return z ? z : zone_create("UTC");
	}
	tz += *tz == ':';
	z = open_named(tz, NULL);
	if (z)
		return z;
	z = zone_create("UTC");
	if (zone_rule_parse(&rule, bytes_of(tz))) {
		free(z->name);
		z->name = memory_copy_text(tz);
		z->first = rule.standard;
		z->rule = rule;
	}
	return z;
}

struct zone *
zone_open(const char *name, struct error *err)
{
	return name ? open_named(name, err) : open_default();
}

/* ---- spans ---- */

static void
find_kept(const struct zone *z, int64_t at, struct zone_span *out)
{
	size_t low = 0, high = z->count; /* the first change after `at` */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->changes[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	out->from = low ? z->changes[low - 1].at : INT64_MIN;
	out->until = low < z->count ? z->changes[low].at : INT64_MAX;
	out->offset = low ? z->changes[low - 1].offset : z->first;
	out->before = low > 1 ? z->changes[low - 2].offset : z->first;
}

void
zone_span_at(const struct zone *z, int64_t at, struct zone_span *out)
{
	struct zone_change changes[2];
	int64_t kept, year;

	find_kept(z, at, out);
	if (!z->rule.has_summer || out->until != INT64_MAX)
		return;
	kept = out->from;
	year = civil_date(civil_day_of(at)).year;
	for (int64_t y = year - 1; y <= year + 1; y++) {
		zone_rule_changes(&z->rule, y, changes);
		for (int i = 0; i < 2; i++) {
			if (changes[i].at <= kept)
				continue;
			if (changes[i].at > at) {
				out->until = changes[i].at;
				return;
			}
			out->before = out->offset;
			out->offset = changes[i].offset;
			out->from = changes[i].at;
		}
	}
}

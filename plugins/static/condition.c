#include "condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- dates ---- */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Not strftime: days and months are in English in every locale. */
void
date_write(time_t t, char text[30])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(text, 30, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100,
		months + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
		(unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		(unsigned)tm.tm_sec % 100);
}

/* Reads by a format of RFC 9110, 5.6.7; false: it is not that one. */
static bool
date_scan(const char *text, int form, struct tm *tm, char month[4])
{
	int used = 0, count = 0;

	switch (form) {
	case 0: /* Sun, 06 Nov 1994 08:49:37 GMT */
		count = sscanf(text,
			"%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n",
			&tm->tm_mday, month, &tm->tm_year, &tm->tm_hour,
			&tm->tm_min, &tm->tm_sec, &used);
		break;
	case 1: /* Sunday, 06-Nov-94 08:49:37 GMT */
		count = sscanf(text,
			"%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n",
			&tm->tm_mday, month, &tm->tm_year, &tm->tm_hour,
			&tm->tm_min, &tm->tm_sec, &used);
		break;
	default: /* Sun Nov  6 08:49:37 1994 */
		count = sscanf(text,
			"%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month,
			&tm->tm_mday, &tm->tm_hour, &tm->tm_min, &tm->tm_sec,
			&tm->tm_year, &used);
		break;
	}
	return count == 6 && used && !text[used];
}

/* A year of two digits that would lie more than 50 years ahead is past. */
static int
full_year(int year, time_t now)
{
	struct tm tm;

	gmtime_r(&now, &tm);
	year += (tm.tm_year + 1900) / 100 * 100;
	return year > tm.tm_year + 1900 + 50 ? year - 100 : year;
}

time_t
date_read(const char *text)
{
	char month[4] = "";
	struct tm tm;
	const char *at;
	int form = 0;

	do
		tm = (struct tm){0};
	while (!date_scan(text, form, &tm, month) && ++form < 3);
	if (form == 3)
		return -1;
	at = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (!at || (at - months) % 3)
		return -1;
	if (form == 1)
		tm.tm_year = full_year(tm.tm_year, time(NULL));
	tm.tm_mon = (int)(at - months) / 3;
	tm.tm_year -= 1900;
	return timegm(&tm);
}

/* ---- entity tags ---- */

static const char *
without_weak(const char *tag)
{
	return strncmp(tag, "W/", 2) ? tag : tag + 2;
}

/* Whether one of a list of tags ("*" is all) is the file's. A strong
 * comparison takes no weak tags. */
static bool
tag_matches(const char *list, const char *etag, bool strong)
{
	const char *own = without_weak(etag);
	size_t length = strlen(own);
	bool weak;

	while (*list) {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		weak = !strncmp(list, "W/", 2);
		list = without_weak(list);
		if (*list != '"')
			return false;
		if (!strncmp(list, own, length) &&
			!(strong && (weak || own != etag)))
			return true;
		list += 1 + strcspn(list + 1, "\"");
		list += *list == '"';
	}
	return false;
}

/* ---- ranges ---- */

static bool
read_number(const char **at, uint64_t *number_out)
{
	const char *digit = *at;
	uint64_t n = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		if (n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*digit - '0');
	}
	if (digit == *at)
		return false;
	*at = digit;
	*number_out = n;
	return true;
}

/* "-500": the last 500 bytes. */
static int
judge_suffix(uint64_t bytes, uint64_t wanted, struct part *part)
{
	if (!wanted || !bytes)
		return 416;
	if (wanted > bytes)
		wanted = bytes;
	*part = (struct part){bytes - wanted, wanted};
	return 206;
}

/* 200: it is none, or more than one, and so as if it was not there. */
static int
judge_range(const char *at, uint64_t bytes, struct part *part)
{
	uint64_t first, last = UINT64_MAX;
	bool suffix;

	if (strncasecmp(at, "bytes=", 6) != 0)
		return 200;
	at += 6;
	at += strspn(at, " \t");
	suffix = *at == '-';
	at += suffix;
	if (!read_number(&at, &first))
		return 200;
	if (!suffix && *at++ != '-')
		return 200;
	if (!suffix && *at >= '0' && *at <= '9' && !read_number(&at, &last))
		return 200;
	at += strspn(at, " \t");
	if (*at || last < first)
		return 200;
	if (suffix)
		return judge_suffix(bytes, first, part);
	if (first >= bytes)
		return 416;
	if (last >= bytes)
		last = bytes - 1;
	*part = (struct part){first, last - first + 1};
	return 206;
}

/* ---- all together, in the order of RFC 9110, 13.2.2 ---- */

static bool
range_is_current(const struct condition *c, const struct facts *f)
{
	if (!c->if_range)
		return true;
	if (*c->if_range == '"' || *c->if_range == 'W')
		return tag_matches(c->if_range, f->etag, true);
	return date_read(c->if_range) == f->modified;
}

static bool
is_since(const char *date, time_t modified)
{
	time_t t = date_read(date);

	return t >= 0 && modified > t;
}

int
condition_judge(
	const struct condition *c, const struct facts *f, struct part *part_out)
{
	*part_out = (struct part){0, f->bytes};
	if (c->if_match) {
		if (!tag_matches(c->if_match, f->etag, true))
			return 412;
	} else if (c->if_unmodified_since &&
		   is_since(c->if_unmodified_since, f->modified)) {
		return 412;
	}
	if (c->if_none_match) {
		if (tag_matches(c->if_none_match, f->etag, false))
			return 304;
	} else if (c->if_modified_since &&
		   date_read(c->if_modified_since) >= 0 &&
		   !is_since(c->if_modified_since, f->modified)) {
		return 304;
	}
	if (c->range && !c->is_head && range_is_current(c, f))
		return judge_range(c->range, f->bytes, part_out);
	return 200;
}

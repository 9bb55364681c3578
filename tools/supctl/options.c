/* options: the parser. An option that its verb does not have is an error,
 * never ignored. */
#include "tools/supctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

int
duration_read(const char *text, uint64_t *ms_out)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
		{"", 1000}};
	char *end;
	double number;

	if (*text < '0' || *text > '9')
		return -1;
	number = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) && number < 1e9) {
			*ms_out = (uint64_t)(number * units[i].ms);
			return 0;
		}
	return -1;
}

static int
take(struct options *o, enum option_id id, const char *value, struct error *err)
{
	const struct option_row *row = &option_rows[id];
	char *place = (char *)o + row->place;

	o->given |= UINT64_C(1) << id;
	if (row->read)
		return row->read(o, value, err);
	if (row->argument)
		memcpy(place, &value, sizeof(value));
	else
		*(bool *)place = true;
	return 0;
}

#define LONG_BASE 1000

/* What getopt needs, made from the rows: val is the id + LONG_BASE. */
static void
getopt_tables(struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		longs[i] = (struct option){row->name,
			row->argument ? required_argument : no_argument, NULL,
			i + LONG_BASE};
		if (row->letter) {
			*shorts++ = row->letter;
			if (row->argument)
				*shorts++ = ':';
		}
	}
	longs[OPTION_COUNT] = (struct option){0};
	*shorts = 0;
}

static enum option_id
option_found(int found)
{
	if (found >= LONG_BASE)
		return (enum option_id)(found - LONG_BASE);
	for (int i = 0; i < OPTION_COUNT; i++)
		if (option_rows[i].letter && option_rows[i].letter == found)
			return (enum option_id)i;
	return OPTION_COUNT;
}

static int
read_verb(struct options *o, const char *name, struct error *err)
{
	o->verb = verb_by_name(name);
	if (o->verb != VERB_UNKNOWN)
		return 0;
	if (verb_is_planned(name))
		return error_set(err, "'%s' is not supported yet", name);
	return error_set(err, "there is no verb '%s'", name);
}

/* Whether the verb has the options that were given. */
static int
check_options(const struct options *o, struct error *err)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (option_is_given(o, (enum option_id)i) &&
			option_rows[i].verbs &&
			!option_is_of((enum option_id)i, o->verb))
			return error_set(err, "'%s' has no option --%s",
				verb_rows[o->verb].name, option_rows[i].name);
	return 0;
}

/* "supctl help VERB" is "supctl VERB --help". */
static bool
take_help_word(struct options *o, const char *word)
{
	if (strcmp(word, "help"))
		return false;
	o->help = true;
	return true;
}

/* An error may come before --json is reached. */
static bool
wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int
read_words(struct options *o, int count, char **words, struct error *err)
{
	if (count && take_help_word(o, *words)) {
		words++;
		count--;
	}
	if (!count)
		return o->help || o->own_version
			       ? 0
			       : error_set(err, "a verb is missing");
	if (read_verb(o, *words, err))
		return -1;
	o->words = words + 1;
	o->word_count = count - 1;
	return check_options(o, err);
}

int
options_read(struct options *o, int argc, char **argv, struct error *err)
{
	struct option longs[OPTION_COUNT + 1];
	char shorts[2 * OPTION_COUNT + 2];
	int found;

	*o = (struct options){.timeout_ms = TIMEOUT_UNSET,
		.verb = VERB_UNKNOWN,
		.json = wants_json(argc, argv)};
	getopt_tables(longs, shorts);
	opterr = 0;
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		enum option_id id = option_found(found);

		if (found == ':')
			return error_set(
				err, "%s needs a value", argv[optind - 1]);
		if (id == OPTION_COUNT)
			return error_set(
				err, "there is no option %s", argv[optind - 1]);
		if (take(o, id, optarg, err))
			return -1;
	}
	return read_words(o, argc - optind, argv + optind, err);
}

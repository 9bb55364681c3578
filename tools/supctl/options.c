/* options: the parser. An option that its verb does not have is an error,
 * never ignored. */
#include "tools/supctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/near.h"

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
	char *value_at = (char *)o + row->offset;

	o->given |= UINT64_C(1) << id;
	if (row->read)
		return row->read(o, value, err);
	if (row->argument)
		memcpy(value_at, &value, sizeof(value));
	else
		*(bool *)value_at = true;
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

/* The word of the option that was just read. */
static const char *
last_option(char **argv)
{
	return optarg && argv[optind - 1] == optarg ? argv[optind - 2]
						    : argv[optind - 1];
}

/* getopt takes any beginning of a long name that no other option shares: what
 * a script says today could mean another option tomorrow. */
static bool
is_whole(enum option_id id, int found, char **argv)
{
	const char *name = last_option(argv) + 2;

	return found < LONG_BASE ||
	       strcspn(name, "=") == strlen(option_rows[id].name);
}

static int
unknown_option(char **argv, struct error *err)
{
	const char *word = last_option(argv);
	char name[64], hint[80];
	struct near near;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	near_init(&near, name[0] && name[1] == '-' ? name + 2 : "");
	for (int i = 0; i < OPTION_COUNT; i++)
		near_offer(&near, option_rows[i].name);
	snprintf(hint, sizeof(hint), "; did you mean '--%s'?",
		near.best ? near.best : "");
	return error_set(
		err, "unknown option %s%s", name, near.best ? hint : "");
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
	struct near near;

	o->verb = verb_by_name(name);
	if (o->verb == VERB_UNKNOWN)
		o->verb = verb_by_alias(name);
	if (o->verb != VERB_UNKNOWN)
		return 0;
	near_init(&near, name);
	for (int i = 0; i < VERB_COUNT; i++)
		near_offer(&near, verb_rows[i].name);
	return error_set(err, "unknown verb '%s'%s", name, near_hint(&near));
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

/* Whether the next word is the value of this option. */
static bool
takes_next(const char *word)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->argument)
			continue;
		if (word[1] == '-' ? !strcmp(word + 2, row->name)
				   : word[1] == row->letter && !word[2])
			return true;
	}
	return false;
}

/* The words behind `x` are the plugin's, also those that look like options: the
 * place of the first one. argc: it is another verb. */
static int
options_end(int argc, char **argv)
{
	bool is_x = false;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (argv[i][0] == '-' && argv[i][1])
			i += takes_next(argv[i]);
		else if (is_x)
			return i;
		else if (strcmp(argv[i], verb_rows[VERB_X].name) != 0)
			return argc;
		else
			is_x = true;
	}
	return argc;
}

int
options_read(struct options *o, int argc, char **argv, struct error *err)
{
	struct option longs[OPTION_COUNT + 1];
	char shorts[2 * OPTION_COUNT + 2];
	int found, end = options_end(argc, argv);

	*o = (struct options){.timeout_ms = TIMEOUT_UNSET,
		.verb = VERB_UNKNOWN,
		.json = wants_json(end, argv)};
	getopt_tables(longs, shorts);
	opterr = 0;
	while ((found = getopt_long(end, argv, shorts, longs, NULL)) != -1) {
		enum option_id id = option_found(found);

		if (found == ':')
			return error_set(
				err, "%s needs a value", argv[optind - 1]);
		if (id == OPTION_COUNT || !is_whole(id, found, argv))
			return unknown_option(argv, err);
		if (take(o, id, optarg, err))
			return -1;
	}
	return read_words(o, argc - optind, argv + optind, err);
}

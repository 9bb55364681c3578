/* deaths: the table. */
#include "tests/system/deaths.h"

/* Of what comes in. */
#define IN(name, words, ...)                                                   \
	static const struct death_outcome name = {.text = words, __VA_ARGS__}
#define NEW .answer = "new"
#define SEEN .answer = "seen"
#define TIMES(f, r, o, s) .filtered = f, .run = r, .observed = o, .out = s
#define REPLIED .end = "command", .sent = "sent"

IN(once, "handled once, one reply", NEW, TIMES(1, 1, 1, 1), REPLIED);
IN(again, "given again: `new`; handled once", NEW, TIMES(1, 1, 1, 1), REPLIED);
IN(seen, "given again: `seen`; handled once", SEEN, TIMES(1, 1, 1, 1), REPLIED);
IN(either, "given again: `new` or `seen`; handled once", TIMES(1, 1, 1, 1),
	REPLIED);
IN(filter_again, "the filter is asked again; one reply", NEW, TIMES(2, 1, 1, 1),
	REPLIED);
IN(skipped, "the filter is skipped; one reply", NEW, TIMES(1, 1, 1, 1),
	REPLIED);
IN(dead, "a dead letter", NEW, TIMES(1, 0, 0, 0), .end = "dead");
IN(run_again, "the command runs again; one reply", NEW, TIMES(1, 2, 1, 1),
	REPLIED);
IN(all_again, "filter and command again; one reply", NEW, TIMES(2, 2, 1, 1),
	REPLIED);
IN(all_again_given,
	"given again: `new` or `seen`; filter and command again; one reply",
	TIMES(2, 2, 1, 1), REPLIED);
IN(observed_again, "the observer hears it again; one reply", NEW,
	TIMES(1, 1, 2, 1), REPLIED);
IN(observed_all, "filter, command and observer again; one reply", NEW,
	TIMES(2, 2, 2, 1), REPLIED);
IN(looked_for, "`channel.find`: not sent; then sent once", NEW,
	TIMES(1, 1, 1, 1), REPLIED);
IN(found, "`channel.find`: sent; one reply", NEW, TIMES(1, 1, 1, 1), REPLIED);
IN(unknown, "the reply is `unknown`, and not sent again", NEW,
	TIMES(1, 1, 1, 1), .end = "command", .sent = "unknown");

/* Of what goes out. */
#define OUT(name, words, ...)                                                  \
	static const struct death_outcome name = {.text = words, __VA_ARGS__}

OUT(sent, "sent once", .out = 1, .sent = "sent");
OUT(sent_bare, "no filter is asked; sent once", .out = 1, .sent = "sent");
OUT(repeated, "not kept; sent once when it is repeated", .out = 1,
	.sent = "sent");
OUT(kept_perhaps, "perhaps kept; sent once, also when it is repeated", .out = 1,
	.sent = "sent");
OUT(sent_later, "`channel.find`: not sent; then sent once", .out = 1,
	.sent = "sent");
OUT(sent_found, "`channel.find`: sent; not sent again", .out = 1,
	.sent = "sent");
OUT(sent_not_known, "`unknown`, and not sent again", .out = 0,
	.sent = "unknown");
OUT(sent_twice, "sent again: twice", .out = 2, .sent = "sent");

#define ALL(who_channel, who_handler, who_store, who_supd)                     \
	.outcomes = {                                                          \
		[DIES_CHANNEL] = &(who_channel),                               \
		[DIES_HANDLER] = &(who_handler),                               \
		[DIES_STORE] = &(who_store),                                   \
		[DIES_SUPD] = &(who_supd),                                     \
	}

const struct death_row death_rows[DEATH_MOMENT_COUNT] = {
	[DEATH_BEFORE_GIVEN] = {.moment = "not given to supd yet",
		ALL(again, once, once, again)},
	[DEATH_BEFORE_STORED] = {.moment = "given, not stored",
		ALL(seen, once, once, either)},
	[DEATH_BEFORE_ACKNOWLEDGED] = {.moment = "stored, the answer not read",
		ALL(seen, once, once, seen),
		.had_ended = true},
	[DEATH_IN_FILTER] = {.moment = "in a filter",
		ALL(once, skipped, once, filter_again)},
	[DEATH_IN_STRICT_FILTER] = {.moment =
					    "in a filter with `on_error: stop`",
		ALL(once, dead, once, filter_again),
		.talk = ", on_error: stop"},
	[DEATH_IN_COMMAND] = {.moment = "in the command",
		ALL(once, run_again, once, all_again)},
	[DEATH_IN_COMMAND_HANDLED] = {.moment =
					      "in the command, `ack: handled`",
		ALL(either, run_again, once, all_again_given),
		.chat = ", ack: handled"},
	[DEATH_IN_OBSERVER] = {.moment = "in the observer",
		ALL(once, observed_again, once, observed_all)},
	[DEATH_REPLY_WAITS] = {.moment = "the reply waits in its lane",
		ALL(once, once, once, once),
		.had_ended = true},
	[DEATH_REPLY_GIVEN] =
		{.moment = "the reply in `channel.send`, not out yet",
			ALL(looked_for, once, once, looked_for),
			.had_ended = true},
	[DEATH_REPLY_OUT] = {.moment = "the reply out, not answered",
		ALL(found, once, once, found),
		.had_ended = true},
	[DEATH_REPLY_OUT_BLIND] = {.moment =
					   "the same, a channel without `find`",
		ALL(unknown, once, once, unknown),
		.chat = ", can: text",
		.had_ended = true},
	[DEATH_OUT_IN_FILTER] = {.moment = "in a filter of `message.sending`",
		ALL(sent, sent_bare, sent, repeated)},
	[DEATH_OUT_BEFORE_STORED] = {.moment = "not stored",
		ALL(sent, sent, sent, kept_perhaps)},
	[DEATH_OUT_WAITS] = {.moment = "waits in its lane",
		ALL(sent, sent, sent, sent)},
	[DEATH_OUT_BEING_MARKED] = {.moment = "being marked in the store",
		ALL(sent, sent, sent, sent)},
	[DEATH_OUT_GIVEN] = {.moment = "in `channel.send`, not out yet",
		ALL(sent_later, sent, sent, sent_later)},
	[DEATH_OUT_GIVEN_BLIND] = {.moment =
					   "the same, a channel without `find`",
		ALL(sent_not_known, sent, sent, sent_not_known),
		.chat = ", can: text"},
	[DEATH_OUT_OUT] = {.moment = "out, not answered",
		ALL(sent_found, sent, sent, sent_found)},
	[DEATH_OUT_OUT_RESENDS] = {.moment = "the same without `find`, with "
					     "`resend_unknown`",
		ALL(sent_twice, sent, sent, sent_twice),
		.chat = ", can: text",
		.entry = "resend_unknown: true"},
};

const char *const death_who_text[DIES_COUNT] = {
#define X(name, text) [DIES_##name] = text,
	DEATHS_WHO(X)
#undef X
};

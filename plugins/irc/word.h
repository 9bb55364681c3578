/* word: names of IRC (nicks, channels, masks), and the text between people and
 * a server: what comes becomes UTF-8 without formatting. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define WORD_NICK_MAX 64 /* bytes of a nick that are kept */
/* Of a cleaned text: each byte of a line becomes at most two. */
#define WORD_TEXT_MAX 1024

/* In lower case as servers have it by default: [ \ ] ~ are those of { | } ^. */
void word_fold(const char *name, char *folded, size_t size);
bool word_equal(const char *a, const char *b);
/* "*" and "?" in the mask; letters in either case. */
bool word_matches(const char *mask, const char *text);
bool word_is_channel(const char *name); /* as "#supd" */
bool word_is_nick(const char *name);	/* as one may be asked for */
/* What a PRIVMSG may be sent to: one word, and one recipient. */
bool word_is_target(const char *name);
/* Whether `nick` is a word of the text. */
bool word_is_in(const char *nick, const char *text);
/* Whether the text begins with the nick and ":" or ","; what comes behind it
 * and the blanks, or NULL. */
const char *word_behind_nick(const char *nick, const char *text);

/* Without formatting and control characters. What is not UTF-8 is taken as
 * ISO 8859-1. */
void word_clean(const char *text, char clean[WORD_TEXT_MAX + 1]);

/* survey: finds changed packages by a `sup-worker survey` child, so that the
 * loop never waits for a disk. supd itself reads no file. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "supervisor/config/manifest.h"
#include "supervisor/plugin/worker.h"

struct survey;

/* The answer about one package. The survey owns the strings. */
struct survey_answer {
	const char *fingerprint; /* "": none that is reliable */
	const char *digest;	 /* NULL: the known fingerprint still holds */
	const char *error;	 /* NULL, or why the package cannot be read */
	bool shortage;		 /* the error is a shortage: error.h */
};

struct survey *survey_create(struct workers *workers);
/* Kills the child; done is not called. NULL is fine. */
void survey_destroy(struct survey *s);
/* Adds a folder; shares and known are those of its last staging (known NULL:
 * none). Returns the index of its answer. */
uint32_t survey_add(struct survey *s, const char *folder,
	const struct text_list *shares, const char *known);
/* Adds a staged copy, to get its digest; files added to it later are ignored.
 */
uint32_t survey_add_copy(
	struct survey *s, const char *folder, const struct text_list *shares);
uint32_t survey_count(const struct survey *s);
/* Begins. done is called once, from the loop; err is NULL if there are answers,
 * which are valid until the survey is destroyed. done may destroy it. -1: the
 * survey could not begin. */
int survey_begin(struct survey *s, uint64_t deadline_ms,
	void (*done)(void *user, struct error *err), void *user,
	struct error *err);
struct survey_answer survey_answer_at(const struct survey *s, uint32_t index);

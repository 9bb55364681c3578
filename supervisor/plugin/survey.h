/* survey: which packages are not what they were, told by a `sup-worker survey`
 * child, so that the loop never waits for a disk. It reads no file itself. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "supervisor/config/manifest.h"
#include "supervisor/plugin/worker.h"

struct survey;

/* Of one package. All texts are the survey's. */
struct survey_answer {
	const char *fingerprint; /* "": none that can be relied on */
	const char *digest; /* NULL: the known fingerprint is right still */
	const char *error;  /* NULL, or why the package cannot be read */
};

struct survey *survey_create(struct worker_room *room);
/* NULL is fine; done is not called, and its child is killed. */
void survey_destroy(struct survey *s);
/* Asks about a folder; shares and known are those of its last staging (known
 * NULL: none). The place of its answer. */
uint32_t survey_add(struct survey *s, const char *folder,
	const struct text_list *shares, const char *known);
uint32_t survey_count(const struct survey *s);
/* done comes once, from the loop; err is NULL if there are answers. Those stay
 * until the survey is destroyed, which done may do. -1: it could not begin. */
int survey_begin(struct survey *s, uint64_t deadline_ms,
	void (*done)(void *user, struct error *err), void *user,
	struct error *err);
struct survey_answer survey_answer_at(const struct survey *s, uint32_t place);

/* transfer: POST requests on the loop of the plugin, by libcurl. Redirects are
 * not followed, certificates are checked, and the answer's body is dropped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sup/plugin.h>

struct transfers;
struct transfer;

struct transfer_result {
	long status;		 /* 0: there was no answer */
	const char *error;	 /* why not; "" if there was one */
	const char *retry_after; /* the header; NULL if there is none */
};

struct transfer_order {
	const char *url, *ca;	    /* ca: a file, or NULL: the system's */
	const char *const *headers; /* "Name: value", NULL ends them */
	const char *body;	    /* is copied */
	size_t body_bytes;
	uint64_t timeout_ms;
	void (*done)(const struct transfer_result *result, void *user);
	void *user;
};

/* NULL: libcurl cannot be used. It lasts as long as the process. */
struct transfers *transfers_create(struct sup *p);
/* NULL: no memory; else done is called once, from the loop. */
struct transfer *transfer_begin(
	struct transfers *all, const struct transfer_order *order);
/* Ends it without calling done. */
void transfer_cancel(struct transfer *t);

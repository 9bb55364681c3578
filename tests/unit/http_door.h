/* http_door: an HTTP server on socket pairs with a gateway of our own making:
 * requests are kept until the test answers them, time is turned by hand. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/event/events.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/ws_conn.h"
#include "supervisor/http/server.h"

#define DOOR_REQUESTS_MAX 512

/* What the gateway was given, oldest first. */
struct door_request {
	struct request *request; /* NULL once it has ended */
	struct buffer message;	 /* as encoded */
	struct buffer body;	 /* inline part and chunks */
	uint64_t credit;	 /* given back for chunks of the answer */
	uint64_t used;		 /* of that, by a test that counts it */
	bool cancelled, body_over;
};

extern struct door {
	struct gateway gateway;
	struct config config;
	struct http_server *server;
	struct codec *codec;
	uint64_t now_ms; /* what the clock says */
	struct door_request requests[DOOR_REQUESTS_MAX];
	unsigned count;
	unsigned answers, failures;  /* noted for the figures */
	unsigned metrics_steps;	     /* that a page takes beyond the first */
	unsigned metrics_step_ms;    /* that each of them takes */
	size_t metrics_bytes;	     /* that each of them writes */
	unsigned pages;		     /* that were begun */
	bool settled, ready, refuse; /* refuse: submit fails at once */
	bool hold;		     /* submit does not encode yet */
	size_t backlog;		     /* of every worker */
	uint32_t in_flight;	     /* with every worker */
	unsigned commands;	     /* that were run */
	unsigned command_ms;	     /* that each of them takes */
	/* of the last command */
	char verb[32];
	char *args;
	int role;
	struct command_call *pending;
	bool holds_calls; /* every call stays pending */
	struct event_listener *listener;
} door;

void door_open(void);
void door_close(void);

/* A client's end, non-blocking. */
int door_client(void);
void door_turn(void); /* lets the loop do all that it can do now */
void door_pass_ms(uint64_t ms);
void door_send(int client, const char *text);
void door_send_bytes(int client, const void *bytes, size_t size);
/* All that came; "" if nothing. *eof_out (or NULL) says whether it ended. The
 * caller frees. */
char *door_read(int client, bool *eof_out);
/* door_send, a turn, door_read */
char *door_ask(int client, const char *text, bool *eof_out);

/* Answers request i; fields are "name: value\n" lines. */
void door_answer(unsigned i, int status, const char *fields, const char *body,
	bool more);
void door_answer_error(unsigned i, enum wire_error code, const char *text);
void door_chunk(unsigned i, const char *piece, bool more);
void door_fail(unsigned i, enum request_failure why);
void door_give_credit(unsigned i, uint64_t bytes);
void door_encode(unsigned i); /* a held one reaches its worker */
/* The params of request i's message, valid until the next call. */
const msgpack_object *door_params(unsigned i);
/* The value of a request field, empty if absent; copied to a static place. */
const char *door_field(unsigned i, const char *name);

/* double: a program in Python that stands for a server, a process of its own.
 * It prints "port N", or "port N tls M", once it listens, and does what is
 * posted to /control/…. */
#pragma once

#include <jansson.h>
#include <sys/types.h>

struct double_server {
	pid_t pid;
	int out;	    /* what it prints */
	int port, tls_port; /* of 127.0.0.1; 0: none */
	char where[32];	    /* HOST:PORT */
};

/* The program and its arguments; the last one is NULL. */
void double_start(struct double_server *d, const char *const *program);
void double_end(struct double_server *d);
/* A path of /control/; the answer must be 200. */
void double_post(struct double_server *d, const char *path, const char *body);
/* The caller drops it. */
json_t *double_get(struct double_server *d, const char *path);

#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "lookup.h"
#include "settings.h"

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	bool wants_write;
};

static void
read_error(char why[256])
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(why, 256, "TLS: %s",
		reason ? reason : "the server closed the connection");
	ERR_clear_error();
}

static bool
trust(struct tls *t, const struct settings *s, char why[256])
{
	int ok = s->tls_ca ? SSL_CTX_load_verify_file(t->context, s->tls_ca)
			   : SSL_CTX_set_default_verify_paths(t->context);

	if (ok == 1)
		return true;
	ERR_clear_error();
	snprintf(why, 256, "tls.ca: %.200s has no certificates to trust",
		s->tls_ca ? s->tls_ca : "the system");
	return false;
}

/* The name that the certificate must have; an address is one, too. */
static bool
set_host(struct tls *t, const struct settings *s)
{
	struct addrinfo *address = lookup_number(s->host, s->port);

	if (address) {
		freeaddrinfo(address);
		return X509_VERIFY_PARAM_set1_ip_asc(
			       SSL_get0_param(t->ssl), s->host) == 1;
	}
	return SSL_set1_host(t->ssl, s->host) == 1 &&
	       SSL_set_tlsext_host_name(t->ssl, s->host) == 1;
}

struct tls *
tls_create(const struct settings *s, int fd, char why[256])
{
	struct tls *t = calloc(1, sizeof(*t));

	snprintf(why, 256, "TLS: no memory");
	if (!t)
		return NULL;
	t->context = SSL_CTX_new(TLS_client_method());
	if (!t->context || (s->tls_verify && !trust(t, s, why)))
		goto fail;
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	SSL_CTX_set_mode(
		t->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				    SSL_MODE_RELEASE_BUFFERS);
	t->ssl = SSL_new(t->context);
	if (!t->ssl || !set_host(t, s) || SSL_set_fd(t->ssl, fd) != 1)
		goto fail;
	SSL_set_verify(t->ssl,
		s->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_set_connect_state(t->ssl);
	return t;
fail:
	tls_destroy(t);
	return NULL;
}

void
tls_destroy(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->context);
	free(t);
}

enum tls_result
tls_handshake(struct tls *t, char why[256])
{
	int rc, error;
	long verify;

	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return TLS_DONE;
	error = SSL_get_error(t->ssl, rc);
	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANTS_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return TLS_WANTS_WRITE;
	read_error(why);
	verify = SSL_get_verify_result(t->ssl);
	if (verify != X509_V_OK)
		snprintf(why, 256, "TLS: the server's certificate: %s",
			X509_verify_cert_error_string(verify));
	return TLS_FAILED;
}

static ssize_t
result(struct tls *t, int rc)
{
	int error = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);

	t->wants_write = error == SSL_ERROR_WANT_WRITE;
	if (rc > 0)
		return rc;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	ERR_clear_error();
	return 0;
}

ssize_t
tls_read(struct tls *t, void *bytes, size_t size)
{
	ERR_clear_error();
	return result(t, SSL_read(t->ssl, bytes, (int)size));
}

ssize_t
tls_write(struct tls *t, const void *bytes, size_t size)
{
	ssize_t n;

	ERR_clear_error();
	n = result(t, SSL_write(t->ssl, bytes, (int)size));
	if (n)
		return n;
	errno = EPIPE;
	return -1;
}

bool
tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}

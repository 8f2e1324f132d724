// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLS 1.3 on a channel's socket. Both sides show a certificate of one CA.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/wait.h"
#include "channel.h"
#include "tls.h"

/* What the other side has against us, it does not say. */
#define REFUSAL_HINT	"(is our certificate signed by its CA, and for this name?)"

#define PRIORITIES	"NORMAL:-VERS-ALL:+VERS-TLS1.3"

/*
 * The socket does not block, so the lock is held while something is encrypted
 * or decrypted, and never for a wait.  It is there because a change of keys in
 * one direction touches the session that the other thread is using.
 */
struct tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	pthread_mutex_t lock;
	/* what the other side's certificate must be good for; the library keeps the pointers until the handshake is over */
	gnutls_typed_vdata_st wanted[2];
	char *verify_host;
	bool shaken;		/* the handshake is over */
	bool heard;		/* the other side said something, so it has accepted this one */
};

static int failed(struct ferry_error *error, int code, const char *what, int status)
{
	return ferry_fail(error, code, "TLS: %s: %s", what, gnutls_strerror(status));
}

/* What nobody will accept is better known before somebody comes. */
static int check_dates(struct tls *t, const struct ferry_endpoint *e, struct ferry_error *error)
{
	gnutls_x509_crt_t *chain;
	time_t now = time(NULL);
	unsigned int count;
	int err = 0;

	if (gnutls_certificate_get_x509_crt(t->credentials, 0, &chain, &count) < 0)
		return 0;
	for (unsigned int i = 0; i < count; i++) {
		const char *what = i ? " holds a certificate of its issuer's that" : "";
		time_t from = gnutls_x509_crt_get_activation_time(chain[i]);
		time_t to = gnutls_x509_crt_get_expiration_time(chain[i]);
		char date[32];

		if (!err && (now > to || now < from)) {
			strftime(date, sizeof(date), "%F %R UTC", gmtime(now > to ? &to : &from));
			err = ferry_fail(error, EINVAL, "TLS: %s%s %s %s: the other side would refuse it", e->cert, what,
					 now > to ? "expired on" : "is not valid before", date);
		}
		gnutls_x509_crt_deinit(chain[i]);
	}
	gnutls_free(chain);
	return err;
}

static int load_files(struct tls *t, const struct ferry_endpoint *e, struct ferry_error *error)
{
	int n;

	n = gnutls_certificate_set_x509_trust_file(t->credentials, e->ca, GNUTLS_X509_FMT_PEM);
	if (n < 0)
		return failed(error, EINVAL, e->ca, n);
	if (!n)
		return ferry_fail(error, EINVAL, "TLS: %s: there is no certificate in it", e->ca);
	n = gnutls_certificate_set_x509_key_file(t->credentials, e->cert, e->key, GNUTLS_X509_FMT_PEM);
	if (n == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return ferry_fail(error, EINVAL, "TLS: %s is not the key of %s", e->key, e->cert);
	if (n < 0) {
		/* which of the two files it is, the library does not say */
		bool cert = access(e->cert, R_OK);
		const char *missing = cert ? e->cert : e->key;

		if (cert || access(e->key, R_OK))
			return ferry_fail(error, errno, "TLS: %s: %s", missing, strerror(errno));
		return ferry_fail(error, EINVAL, "TLS: %s and %s: %s", e->cert, e->key, gnutls_strerror(n));
	}
	return check_dates(t, e, error);
}

int tls_check(const struct ferry_endpoint *e, struct ferry_error *error)
{
	struct tls t = { 0 };
	int err = gnutls_certificate_allocate_credentials(&t.credentials);

	if (err < 0)
		return failed(error, ENOMEM, "credentials", err);
	err = load_files(&t, e, error);
	gnutls_certificate_free_credentials(t.credentials);
	return err;
}

static int prepare(struct tls *t, struct ferry_channel *c, const struct ferry_endpoint *e, bool server,
		   const char *host, struct ferry_error *error)
{
	int n;

	n = gnutls_certificate_allocate_credentials(&t->credentials);
	if (n < 0)
		return failed(error, ENOMEM, "credentials", n);
	n = load_files(t, e, error);
	if (n)
		return n;
	n = gnutls_init(&t->session, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (!n)
		n = gnutls_priority_set_direct(t->session, PRIORITIES, NULL);
	if (!n)
		n = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials);
	if (n < 0)
		return failed(error, ENOMEM, "session", n);
	if (server) {
		gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
		/* Who is told our CA, and has a certificate of another, shows none: it shall be seen what is wrong. */
		gnutls_certificate_send_x509_rdn_sequence(t->session, 1);
	}
	t->wanted[0].type = GNUTLS_DT_KEY_PURPOSE_OID;
	t->wanted[0].data = (void *)(server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER);
	t->verify_host = host ? strdup(host) : NULL;
	if (host && !t->verify_host)
		return ferry_fail(error, ENOMEM, "no memory");
	t->wanted[1].type = GNUTLS_DT_DNS_HOSTNAME;
	t->wanted[1].data = (void *)t->verify_host;
	gnutls_session_set_verify_cert2(t->session, t->wanted, host ? 2 : 1, 0);
	gnutls_transport_set_int(t->session, c->fd);
	return 0;
}

static short direction(struct tls *t)
{
	return gnutls_record_get_direction(t->session) ? POLLOUT : POLLIN;
}

static int refused(struct tls *t, struct ferry_channel *c, int n, struct ferry_error *error)
{
	gnutls_datum_t why = { 0 };
	unsigned int status;

	if (n == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		status = gnutls_session_get_verify_cert_status(t->session);
		gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
		ferry_fail(error, EPROTO, "TLS: %s shows a certificate that does not count: %s", c->peer,
			   why.data ? (char *)why.data : gnutls_strerror(n));
		gnutls_free(why.data);
		return -EPROTO;
	}
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return ferry_fail(error, EPROTO, "TLS: %s refuses: %s " REFUSAL_HINT, c->peer,
				  gnutls_alert_get_name(gnutls_alert_get(t->session)));
	if (n == GNUTLS_E_NO_CERTIFICATE_FOUND || n == GNUTLS_E_CERTIFICATE_REQUIRED)
		return ferry_fail(error, EPROTO, "TLS: %s shows no certificate", c->peer);
	if (n == GNUTLS_E_UNEXPECTED_PACKET_LENGTH || n == GNUTLS_E_UNSUPPORTED_VERSION_PACKET ||
	    n == GNUTLS_E_UNEXPECTED_PACKET || n == GNUTLS_E_RECORD_OVERFLOW)
		return ferry_fail(error, EPROTO, "TLS: %s does not speak TLS: was it given --plain-tcp?", c->peer);
	if (n == GNUTLS_E_PREMATURE_TERMINATION)
		return ferry_fail(error, EPROTO, "TLS: %s closed the connection", c->peer);
	return ferry_fail(error, EPROTO, "TLS with %s: %s", c->peer, gnutls_strerror(n));
}

int tls_begin(struct ferry_channel *c, const struct ferry_endpoint *e, bool server, const char *host,
	      struct ferry_error *error)
{
	struct tls *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return ferry_fail(error, ENOMEM, "no memory");
	pthread_mutex_init(&t->lock, NULL);
	err = prepare(t, c, e, server, host, error);
	if (err)
		tls_end(t);
	else
		c->tls = t;
	return err;
}

int tls_shake(struct ferry_channel *c, short *events, struct ferry_error *error)
{
	struct tls *t = c->tls;
	int n;

	do
		n = gnutls_handshake(t->session);
	while (n && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(n));
	*events = n ? direction(t) : POLLIN;
	if (n == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (n) {
		gnutls_alert_send_appropriate(t->session, n);
		return refused(t, c, n, error);
	}
	t->shaken = true;
	c->protected = true;
	return 0;
}

static int handshake(struct ferry_channel *c, int cancel_fd, struct ferry_error *error)
{
	double end = clock_ms() + c->timeout_ms;
	short events;
	int err;

	while ((err = tls_shake(c, &events, error)) == -EAGAIN) {
		long left = end - clock_ms();

		err = left > 0 ? fd_wait(c->fd, events, cancel_fd, left) : -ETIMEDOUT;
		if (err == -ETIMEDOUT)
			return ferry_fail(error, ETIMEDOUT, "TLS: %s does not answer", c->peer);
		if (err)
			return ferry_fail(error, -err, "cancelled");
	}
	return err;
}

int tls_start(struct ferry_channel *c, const struct ferry_endpoint *e, bool server, const char *host,
	      struct ferry_error *error)
{
	return tls_begin(c, e, server, host, error) ?: handshake(c, e->cancel_fd, error);
}

bool tls_shaken(const struct tls *t)
{
	return t->shaken;
}

bool tls_pending(struct tls *t)
{
	return gnutls_record_check_pending(t->session) > 0;
}

void tls_end(struct tls *t)
{
	if (!t)
		return;
	/* no farewell on a connection that never was */
	if (t->session && t->shaken)
		gnutls_bye(t->session, GNUTLS_SHUT_WR);
	if (t->session)
		gnutls_deinit(t->session);
	if (t->credentials)
		gnutls_certificate_free_credentials(t->credentials);
	pthread_mutex_destroy(&t->lock);
	free(t->verify_host);
	free(t);
}

/* ---- records ---- */

static ssize_t outcome(struct tls *t, ssize_t n, short *events, struct ferry_error *error)
{
	if (n >= 0)
		return n;
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED || !gnutls_error_is_fatal(n)) {
		*events = direction(t);
		return -EAGAIN;
	}
	if (n == GNUTLS_E_PREMATURE_TERMINATION || n == GNUTLS_E_PULL_ERROR || n == GNUTLS_E_PUSH_ERROR)
		return ferry_fail(error, ECONNRESET, "%s", t->heard ? "the connection broke" :
				  "TLS: the other side ended it before saying anything; it may not trust this certificate");
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return ferry_fail(error, EPROTO, "TLS: the other side refuses: %s " REFUSAL_HINT,
				  gnutls_alert_get_name(gnutls_alert_get(t->session)));
	return failed(error, EPROTO, "the connection", n);
}

ssize_t tls_write(struct tls *t, const void *data, size_t size, short *events, struct ferry_error *error)
{
	ssize_t n;

	pthread_mutex_lock(&t->lock);
	n = outcome(t, gnutls_record_send(t->session, data, size), events, error);
	pthread_mutex_unlock(&t->lock);
	return n;
}

ssize_t tls_read(struct tls *t, void *data, size_t size, short *events, struct ferry_error *error)
{
	ssize_t n;

	pthread_mutex_lock(&t->lock);
	n = outcome(t, gnutls_record_recv(t->session, data, size), events, error);
	t->heard |= n > 0;
	pthread_mutex_unlock(&t->lock);
	return n;
}

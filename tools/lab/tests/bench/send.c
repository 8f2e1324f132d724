// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ferry send against a plain loop of read() and send() on the same data FD,
 * over loopback: TCP, and TLS with the same library, version and ciphers. Of
 * the sender's time; who receives is a process of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench.h"

#define PKI             "/tmp/bench.pki"
#define CERTIFICATES    "tools/lab/demo/certificates " PKI " here=127.0.0.1"
#define PRIORITIES      "NORMAL:-VERS-ALL:+VERS-TLS1.3"     /* as ferry's */
#define ADDRESS         "127.0.0.1:7443"

/* An end of the loop's connection. */
struct end {
    int fd;
    gnutls_session_t tls;       /* or NULL */
    gnutls_certificate_credentials_t credentials;
};

static void certificates(void)
{
    if (access(PKI "/here.pem", F_OK) && system(CERTIFICATES))
        tap_bail("no certificates");
}

static void must(int status, const char *what)
{
    if (status < 0)
        tap_bail("TLS: %s: %s", what, gnutls_strerror(status));
}

static struct end begin(int fd, bool in_tls, bool server)
{
    struct end e = { .fd = fd };
    int n;

    if (fd < 0)
        tap_bail("no connection: %s", strerror(errno));
    if (!in_tls)
        return e;
    must(gnutls_certificate_allocate_credentials(&e.credentials), "credentials");
    must(gnutls_certificate_set_x509_key_file(e.credentials, PKI "/here.pem", PKI "/here.key", GNUTLS_X509_FMT_PEM), "the key");
    must(gnutls_init(&e.tls, server ? GNUTLS_SERVER : GNUTLS_CLIENT), "a session");
    must(gnutls_priority_set_direct(e.tls, PRIORITIES, NULL), PRIORITIES);
    must(gnutls_credentials_set(e.tls, GNUTLS_CRD_CERTIFICATE, e.credentials), "credentials");
    gnutls_transport_set_int(e.tls, fd);
    do
        n = gnutls_handshake(e.tls);
    while (n < 0 && !gnutls_error_is_fatal(n));
    must(n, "the handshake");
    return e;
}

static void finish(struct end *e)
{
    if (e->tls) {
        gnutls_bye(e->tls, GNUTLS_SHUT_WR);
        gnutls_deinit(e->tls);
        gnutls_certificate_free_credentials(e->credentials);
    }
    close(e->fd);
}

static void send_all(struct end *e, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = e->tls ? gnutls_record_send(e->tls, data, size) : send(e->fd, data, size, MSG_NOSIGNAL);

        if (n <= 0)
            tap_bail("the connection takes nothing");
        data += n;
        size -= n;
    }
}

static ssize_t receive_some(struct end *e)
{
    return e->tls ? gnutls_record_recv(e->tls, piece(), PIECE) : recv(e->fd, piece(), PIECE, 0);
}

/* A process that takes one connection, and drops what comes; where it waits is in @at. */
static pid_t receiver(struct sockaddr_in *at, bool in_tls)
{
    socklen_t size = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct end e;
    pid_t pid;

    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || bind(fd, (void *)at, size) || listen(fd, 1) || getsockname(fd, (void *)at, &size))
        tap_bail("no place to listen: %s", strerror(errno));
    pid = fork();
    if (pid < 0)
        tap_bail("no process");
    if (!pid) {
        e = begin(accept(fd, NULL, NULL), in_tls, true);
        while (receive_some(&e) > 0)
            ;
        _exit(0);
    }
    close(fd);
    return pid;
}

uint64_t send_by_loop(struct side *s, bool in_tls)
{
    struct vf *v = s->vf[0];
    struct sockaddr_in at;
    uint64_t took;
    struct end e;
    ssize_t n;
    pid_t pid;
    int data, fd;

    if (in_tls)
        certificates();
    pid = receiver(&at, in_tls);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (void *)&at, sizeof(at)))
        tap_bail("no connection: %s", strerror(errno));
    e = begin(fd, in_tls, false);
    took = cpu_ns();
    data = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    while ((n = read(data, piece(), PIECE)) > 0)
        send_all(&e, piece(), n);
    if (n)
        tap_bail("VF %s gives no image", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    took = cpu_ns() - took;
    close(data);
    finish(&e);
    ended_well(pid, "the receiver");
    return took;
}

/* One of its two commands; with patience, for the clock counts and the other side computes on the same processor. */
static pid_t command(struct vf *v, const char *name, int out, bool in_tls)
{
    static const char *const plain[] = { ADDRESS, "-q", "--timeout=600", "--plain-tcp", NULL };
    static const char *const tls[] = { ADDRESS, "-q", "--timeout=600", "--cert=" PKI "/here.pem", "--key=" PKI "/here.key",
                                       "--ca=" PKI "/ca.pem", NULL };

    return ferry_tool(v, name, out, in_tls ? tls : plain);
}

/* Does anybody listen at the tool's port? */
static bool listens(void)
{
    char line[256];
    bool found = false;
    FILE *table = fopen("/proc/net/tcp", "r");

    if (!table)
        tap_bail("no /proc/net/tcp");
    while (!found && fgets(line, sizeof(line), table))
        found = strstr(line, " 0100007F:1D13 00000000:0000 0A ");
    fclose(table);
    return found;
}

uint64_t send_by_tool(struct side *s, bool in_tls)
{
    enum { SLOW_MS = 60000 };
    uint64_t took;
    pid_t receiver;

    if (in_tls)
        certificates();
    receiver = command(s->vf[1], "receive", nowhere(), in_tls);
    if (!wait_until(listens(), SLOW_MS))
        tap_bail("ferry receive does not listen");
    took = ended_well(command(s->vf[0], "send", nowhere(), in_tls), "ferry send");
    ended_well(receiver, "ferry receive");
    return took;
}

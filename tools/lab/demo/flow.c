// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TCP connection and numbered UDP packets from one side to the other, and what the other saw of them.
 *
 *   flow send ADDRESS PORT     from within the guest, until it is killed or the connection breaks
 *   flow receive PORT FILE     until SIGTERM; then writes FILE, JSON
 *
 * Every byte of the TCP stream follows from its place, so that the receiver knows each that is wrong. Times are the
 * receiver's: its clock goes on while the sender stands still.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS   20          /* between two packets, and two pieces of the stream */
#define PIECE       2048        /* bytes of the stream at a time */
#define SLICE_MS    100         /* of the record of what came */
#define SLICES_MAX  36000       /* an hour */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* The stream's byte at a place: of a word that is mixed from the place's number. */
static uint8_t byte_at(uint64_t place)
{
    uint64_t word = (place / 8 + 1) * 0x9e3779b97f4a7c15u;

    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    return (word ^ word >> 27) >> place % 8 * 8;
}

/* ---- sending ---- */

static int connected(const char *address, const char *port, int type)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
    char mapped[INET6_ADDRSTRLEN];
    int fd;

    snprintf(mapped, sizeof(mapped), "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
    if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1) {
        fprintf(stderr, "flow: %s is no address\n", address);
        exit(2);
    }
    fd = socket(AF_INET6, type, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
        die("connect");
    return fd;
}

/* A piece of the stream; what the socket does not take comes again. */
static uint64_t send_piece(int fd, uint64_t place)
{
    uint8_t piece[PIECE];
    ssize_t sent;

    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = byte_at(place + i);
    sent = send(fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN)
        die("the TCP connection broke");
    return place + (sent > 0 ? sent : 0);
}

static int send_both(const char *address, const char *port)
{
    int tcp = connected(address, port, SOCK_STREAM), udp = connected(address, port, SOCK_DGRAM);
    const struct timespec period = { .tv_nsec = PERIOD_MS * 1000000L };
    uint64_t place = 0;

    for (uint64_t number = 0; !stopped; number++) {
        uint64_t packet = htobe64(number);

        /* The neighbour may not be known yet; a packet that is not sent counts as lost. */
        if (send(udp, &packet, sizeof(packet), 0) < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
            die("the UDP socket broke");
        place = send_piece(tcp, place);
        nanosleep(&period, NULL);
    }
    return 0;
}

/* ---- receiving ---- */

struct seen {
    double first, last, gap, gap_at;    /* the longest time without anything, and when it began */
    uint64_t count;
};

struct record {
    struct seen tcp, udp;
    uint64_t place, wrong;              /* bytes of the stream */
    uint64_t next, lost, again, late;   /* packets */
    uint32_t tcp_slices[SLICES_MAX], udp_slices[SLICES_MAX];
    bool broken;
};

static void note(struct seen *seen, uint32_t *slices, double start, uint64_t count)
{
    double t = now();
    size_t slice = (t - start) * 1000 / SLICE_MS;

    if (seen->count && t - seen->last > seen->gap) {
        seen->gap = t - seen->last;
        seen->gap_at = seen->last;
    }
    if (!seen->count)
        seen->first = t;
    seen->last = t;
    seen->count += count;
    if (slice < SLICES_MAX)
        slices[slice] += count;
}

static void take_packet(struct record *r, int fd, double start)
{
    uint64_t packet, number;

    if (recv(fd, &packet, sizeof(packet), 0) != sizeof(packet))
        return;
    number = be64toh(packet);
    if (!r->udp.count)
        r->next = number;
    if (number < r->next) {
        /* One of those that were taken for lost, or one that came before. */
        r->late++;
        if (r->lost)
            r->lost--;
        else
            r->again++;
    } else {
        r->lost += number - r->next;
        r->next = number + 1;
    }
    note(&r->udp, r->udp_slices, start, 1);
}

/* Returns false at the end of the stream. */
static bool take_stream(struct record *r, int fd, double start)
{
    uint8_t data[65536];
    ssize_t got = recv(fd, data, sizeof(data), 0);

    if (got <= 0) {
        r->broken = got < 0 || !stopped;
        return false;
    }
    for (ssize_t i = 0; i < got; i++)
        r->wrong += data[i] != byte_at(r->place + i);
    r->place += got;
    note(&r->tcp, r->tcp_slices, start, got);
    return true;
}

static int bound(const char *port, int type)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(atoi(port)) };
    int fd = socket(AF_INET6, type, 0), no = 0, yes = 1;

    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 1)))
        die("bind");
    return fd;
}

static void write_seen(FILE *to, const char *name, const struct seen *seen, const uint32_t *slices, double start)
{
    size_t used = (seen->last - start) * 1000 / SLICE_MS + 1;

    fprintf(to, "\"%s\": {\"count\": %" PRIu64 ", \"first\": %.6f, \"last\": %.6f, \"gap\": %.6f, \"gap_at\": %.6f, \"slices\": [",
            name, seen->count, seen->first, seen->last, seen->gap, seen->gap_at);
    for (size_t i = 0; seen->count && i < used && i < SLICES_MAX; i++)
        fprintf(to, "%s%u", i ? ", " : "", slices[i]);
    fprintf(to, "]},\n");
}

static void write_record(const char *path, const struct record *r, double start)
{
    FILE *to = fopen(path, "w");

    if (!to)
        die(path);
    fprintf(to, "{\"start\": %.6f, \"slice_ms\": %d, \"period_ms\": %d,\n", start, SLICE_MS, PERIOD_MS);
    write_seen(to, "tcp", &r->tcp, r->tcp_slices, start);
    write_seen(to, "udp", &r->udp, r->udp_slices, start);
    fprintf(to, "\"wrong\": %" PRIu64 ", \"broken\": %s, \"lost\": %" PRIu64 ", \"again\": %" PRIu64 ", \"late\": %" PRIu64 "}\n",
            r->wrong, r->broken ? "true" : "false", r->lost, r->again, r->late);
    if (fclose(to))
        die(path);
}

static int receive_both(const char *port, const char *path)
{
    struct pollfd fds[] = { { bound(port, SOCK_STREAM), POLLIN, 0 }, { bound(port, SOCK_DGRAM), POLLIN, 0 } };
    static struct record record;
    double start = now();
    bool accepted = false;

    while (!stopped) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            take_packet(&record, fds[1].fd, start);
        if (!fds[0].revents)
            continue;
        if (!accepted) {
            fds[0].fd = accept(fds[0].fd, NULL, NULL);
            accepted = true;
        } else if (!take_stream(&record, fds[0].fd, start)) {
            fds[0].fd = -1;
        }
    }
    write_record(path, &record, start);
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = stop };

    sigaction(SIGTERM, &action, NULL);
    if (argc == 4 && !strcmp(argv[1], "send"))
        return send_both(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "receive"))
        return receive_both(argv[2], argv[3]);
    fprintf(stderr, "usage: flow send ADDRESS PORT | flow receive PORT FILE\n");
    return 2;
}

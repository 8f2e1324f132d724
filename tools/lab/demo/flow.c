// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TCP connection and numbered UDP packets, both ways, and what each side saw of the other's.
 *
 *   flow send ADDRESS PORT [FILE [MS]]  from within the guest, until it is killed; MS from one packet and piece to the next
 *   flow receive PORT FILE              its peer, which begins when it has heard of it; until SIGTERM
 *
 * What a side saw is written to FILE, JSON, at its end, and on SIGUSR1. The longest silence is counted anew from then on.
 * Every byte of a TCP stream follows from its place, so that the receiver knows each that is wrong. Times are of the
 * receiver's clock, and where packets are missing also of the sender's: the guest's stands still now and then.
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

#define PERIOD_MS   40          /* between two packets, and two pieces of the stream, from the guest */
#define BACK_MS     100         /* and to it: what it is emulated on may be slow */
#define PIECE       2048        /* bytes of the stream at a time */
#define SLICE_MS    100         /* of the record of what came */
#define SLICES_MAX  36000       /* an hour */
#define LOSSES_MAX  16          /* places where packets are missing, the latest */
#define BUFFER      (4 << 20)   /* for packets that come before the receiver runs */

static volatile sig_atomic_t stopped, asked;

static void stop(int signal)
{
    if (signal == SIGUSR1)
        asked = 1;
    else
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

/* The eight bytes of the stream at a place that is a multiple of eight: the place's number, mixed. */
static uint64_t word_at(uint64_t place)
{
    uint64_t word = (place / 8 + 1) * 0x9e3779b97f4a7c15u;

    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    return word ^ word >> 27;
}

static void stream_at(uint64_t place, uint8_t *bytes, size_t count)
{
    uint64_t word = word_at(place);

    for (size_t i = 0; i < count; i++, place++) {
        if (place % 8 == 0)
            word = word_at(place);
        bytes[i] = word >> place % 8 * 8;
    }
}

/* ---- what came ---- */

struct seen {
    double first, last, gap, gap_at;    /* the longest time without anything, and when it began */
    uint64_t count;
};

/* A packet's number and when it was sent, by its sender's clock. */
struct packet {
    uint64_t number, sent_ns;
};

/* Packets that did not come, and when the one before them and the one behind them were sent and came. */
struct loss {
    uint64_t first, end, count;
    double sent[2], came[2];
};

struct record {
    double start;
    struct seen tcp, udp;
    uint64_t place, wrong;              /* bytes of the stream */
    uint64_t next, lost, again, late;   /* packets */
    double sent;                        /* when the last one was */
    struct loss losses[LOSSES_MAX];
    unsigned int holes;                 /* of which the last are in losses */
    uint32_t tcp_slices[SLICES_MAX], udp_slices[SLICES_MAX];
    bool broken;
};

static void note(const struct record *r, struct seen *seen, uint32_t *slices, uint64_t count)
{
    double t = now();
    size_t slice = (t - r->start) * 1000 / SLICE_MS;

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

/* One of those that were taken for lost, or one that came before. */
static void take_late(struct record *r, uint64_t number)
{
    r->late++;
    for (unsigned int i = 0; i < LOSSES_MAX; i++) {
        struct loss *loss = &r->losses[i];

        if (loss->count && loss->first <= number && number < loss->end) {
            loss->count--;
            r->lost--;
            return;
        }
    }
    r->again++;
}

static void take_packet(struct record *r, const struct packet *packet)
{
    uint64_t number = be64toh(packet->number);
    double sent = be64toh(packet->sent_ns) / 1e9;

    if (r->udp.count && number < r->next) {
        take_late(r, number);
    } else {
        if (r->udp.count && number > r->next) {
            r->losses[r->holes++ % LOSSES_MAX] = (struct loss){ r->next, number, number - r->next, { r->sent, sent },
                                                                { r->udp.last, now() } };
            r->lost += number - r->next;
        }
        r->next = number + 1;
        r->sent = sent;
    }
    note(r, &r->udp, r->udp_slices, 1);
}

static void take_stream(struct record *r, const uint8_t *data, size_t count)
{
    static uint8_t wanted[65536];

    stream_at(r->place, wanted, count);
    for (size_t i = 0; i < count; i++)
        r->wrong += data[i] != wanted[i];
    r->place += count;
    note(r, &r->tcp, r->tcp_slices, count);
}

static void write_seen(FILE *to, const char *name, struct seen *seen, const uint32_t *slices, double start)
{
    size_t used = (seen->last - start) * 1000 / SLICE_MS + 1;

    fprintf(to, "\"%s\": {\"count\": %" PRIu64 ", \"first\": %.6f, \"last\": %.6f, \"gap\": %.6f, \"gap_at\": %.6f",
            name, seen->count, seen->first, seen->last, seen->gap, seen->gap_at);
    if (slices) {
        fprintf(to, ", \"slices\": [");
        for (size_t i = 0; seen->count && i < used && i < SLICES_MAX; i++)
            fprintf(to, "%s%u", i ? ", " : "", slices[i]);
        fprintf(to, "]");
    }
    fprintf(to, "},\n");
    seen->gap = 0;
}

static void write_losses(FILE *to, const struct record *r)
{
    const char *comma = "";

    fprintf(to, "\"holes\": %u, \"losses\": [", r->holes);
    for (unsigned int i = 0; i < LOSSES_MAX && i < r->holes; i++) {
        const struct loss *l = &r->losses[i];

        if (l->count) {
            fprintf(to, "%s{\"first\": %" PRIu64 ", \"count\": %" PRIu64 ", \"sent\": [%.6f, %.6f], \"came\": [%.6f, %.6f]}",
                    comma, l->first, l->count, l->sent[0], l->sent[1], l->came[0], l->came[1]);
            comma = ", ";
        }
    }
    fprintf(to, "],\n");
}

/* Who finds FILE finds all of it. */
static void write_record(const char *path, struct record *r, bool slices)
{
    char partial[4096];
    FILE *to;

    snprintf(partial, sizeof(partial), "%s.partial", path);
    to = fopen(partial, "w");
    if (!to)
        die(partial);
    fprintf(to, "{\"start\": %.6f, \"slice_ms\": %d,\n", r->start, SLICE_MS);
    write_seen(to, "tcp", &r->tcp, slices ? r->tcp_slices : NULL, r->start);
    write_seen(to, "udp", &r->udp, slices ? r->udp_slices : NULL, r->start);
    write_losses(to, r);
    fprintf(to, "\"next\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"broken\": %s,\n", r->next, r->wrong, r->broken ? "true" : "false");
    fprintf(to, "\"lost\": %" PRIu64 ", \"again\": %" PRIu64 ", \"late\": %" PRIu64 "}\n", r->lost, r->again, r->late);
    if (fclose(to) || rename(partial, path))
        die(path);
}

/* ---- both ways ---- */

struct side {
    int listener, tcp, udp;             /* -1: there is none, or none any more */
    bool heard;                         /* the other's address of packets is known */
    uint64_t place, number;
    struct record record;
};

static void broke(struct side *side, const char *how)
{
    fprintf(stderr, "flow: the TCP connection %s\n", how);
    side->record.broken = true;
    close(side->tcp);
    side->tcp = -1;
}

/* What the socket does not take comes again. */
static void send_piece(struct side *side)
{
    uint8_t piece[PIECE];
    ssize_t sent;

    stream_at(side->place, piece, sizeof(piece));
    sent = send(side->tcp, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        side->place += sent;
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        broke(side, strerror(errno));
}

/* One that cannot be sent, for want of a neighbour or of a netdev, counts as lost. */
static void send_packet(struct side *side)
{
    struct timespec t;
    struct packet packet = { .number = htobe64(side->number++) };

    clock_gettime(CLOCK_REALTIME, &t);
    packet.sent_ns = htobe64(t.tv_sec * 1000000000ull + t.tv_nsec);
    send(side->udp, &packet, sizeof(packet), MSG_DONTWAIT);
}

static void receive_stream(struct side *side)
{
    uint8_t data[65536];
    ssize_t got = recv(side->tcp, data, sizeof(data), MSG_DONTWAIT);

    if (got > 0)
        take_stream(&side->record, data, got);
    else if (!got)
        broke(side, "was closed");
    else if (errno != EAGAIN && errno != EINTR)
        broke(side, strerror(errno));
}

static void receive_packet(struct side *side)
{
    struct sockaddr_in6 from;
    socklen_t length = sizeof(from);
    struct packet packet;

    if (recvfrom(side->udp, &packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&from, &length) != sizeof(packet))
        return;
    if (!side->heard && connect(side->udp, (struct sockaddr *)&from, length) == 0)
        side->heard = true;
    take_packet(&side->record, &packet);
}

static void serve(struct side *side, int patience_ms)
{
    struct pollfd fds[] = { { side->listener, POLLIN, 0 }, { side->tcp, POLLIN, 0 }, { side->udp, POLLIN, 0 } };

    if (poll(fds, 3, patience_ms) <= 0)
        return;
    if (fds[0].revents) {
        side->tcp = accept(side->listener, NULL, NULL);
        close(side->listener);
        side->listener = -1;
    }
    if (fds[1].revents)
        receive_stream(side);
    if (fds[2].revents)
        receive_packet(side);
}

static int exchange(struct side *side, int period_ms, const char *path, bool slices)
{
    double next = now();

    side->record.start = next;
    /* Who finds this knows that it can be asked. */
    if (path)
        write_record(path, &side->record, slices);
    while (!stopped) {
        double left = next - now();

        serve(side, left > 0 ? left * 1000 + 1 : 0);
        if (asked && path)
            write_record(path, &side->record, slices);
        asked = 0;
        if (now() < next)
            continue;
        next = now() + period_ms / 1e3;
        if (side->heard)
            send_packet(side);
        if (side->tcp >= 0)
            send_piece(side);
    }
    if (path)
        write_record(path, &side->record, slices);
    return 0;
}

static int opened(int type)
{
    int fd = socket(AF_INET6, type, 0), no = 0, yes = 1, size = BUFFER;

    if (fd < 0)
        die("socket");
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    return fd;
}

static int connected(const char *address, const char *port, int type)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
    char mapped[INET6_ADDRSTRLEN];
    int fd = opened(type);

    snprintf(mapped, sizeof(mapped), "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
    if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1) {
        fprintf(stderr, "flow: %s is no address\n", address);
        exit(2);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        die("connect");
    return fd;
}

static int bound(const char *port, int type)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(atoi(port)) };
    int fd = opened(type);

    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 1)))
        die("bind");
    return fd;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = stop };
    static struct side side = { .listener = -1, .tcp = -1 };

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    if (argc >= 4 && argc <= 6 && !strcmp(argv[1], "send")) {
        side.tcp = connected(argv[2], argv[3], SOCK_STREAM);
        side.udp = connected(argv[2], argv[3], SOCK_DGRAM);
        side.heard = true;
        return exchange(&side, argc == 6 ? atoi(argv[5]) : PERIOD_MS, argv[4], false);
    }
    if (argc == 4 && !strcmp(argv[1], "receive")) {
        side.listener = bound(argv[2], SOCK_STREAM);
        side.udp = bound(argv[2], SOCK_DGRAM);
        return exchange(&side, BACK_MS, argv[3], true);
    }
    fprintf(stderr, "usage: flow send ADDRESS PORT [FILE [MS]] | flow receive PORT FILE\n");
    return 2;
}

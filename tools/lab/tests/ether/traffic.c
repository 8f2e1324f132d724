// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traffic whose every byte is known to both ends.
 *
 * Servers answer in each namespace: over TCP a stream is checked as it comes
 * and its sum sent back, over UDP a datagram comes back as it was.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ether.h"

enum { CHUNK = 64 << 10, STREAM = 16 << 20, WINDOW = 8, GROUP_PORT = 7001 };

/* The start of a stream of known words. */
struct stream {
    uint64_t words, seed;
};

struct answer {
    uint64_t words, sum;                /* how many were right, from the first on */
};

static uint64_t word(uint64_t seed, uint64_t n)
{
    n = (n + seed) * 0x9e3779b97f4a7c15ull;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9ull;
    return n ^ n >> 31;
}

static uint64_t sum_with(uint64_t sum, uint64_t x)
{
    return (sum ^ x) * 0x100000001b3ull;
}

static struct sockaddr_in6 endpoint(const char *to, unsigned port)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    char mapped[64];

    snprintf(mapped, sizeof(mapped), "%s%s", strchr(to, ':') ? "" : "::ffff:", to);
    if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1)
        tap_bail("%s is no address", to);
    return a;
}

static void be_patient(int fd, unsigned seconds)
{
    struct timeval t = { .tv_sec = seconds };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* For a window of the largest datagrams, each way: their fragments take as much again, and nobody waits for room for those. */
static void make_room(int fd)
{
    int room = 16 << 20;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
        _exit(4);
}

static bool whole(ssize_t (*call)(int fd, void *buf, size_t len, int flags), int fd, void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = call(fd, (char *)buf + done, len - done, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        done += n;
    }
    return true;
}

static ssize_t sending(int fd, void *buf, size_t len, int flags)
{
    return send(fd, buf, len, flags);
}

/* ---- servers ---- */

static void answer_stream(int fd)
{
    static uint64_t buf[CHUNK / 8];
    struct stream s;
    struct answer a = { 0 };

    be_patient(fd, PATIENCE);
    if (!whole(recv, fd, &s, sizeof(s)))
        return;
    while (a.words < s.words) {
        uint64_t n = s.words - a.words < CHUNK / 8 ? s.words - a.words : CHUNK / 8;

        if (!whole(recv, fd, buf, n * 8))
            return;
        for (uint64_t i = 0; i < n; i++, a.words++) {
            if (buf[i] != word(s.seed, a.words))
                goto out;
            a.sum = sum_with(a.sum, buf[i]);
        }
    }
out:
    whole(sending, fd, &a, sizeof(a));
}

static void serve_tcp(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && !fork()) {
            answer_stream(fd);
            _exit(0);
        }
        close(fd);
    }
}

static void serve_udp(int fd)
{
    static char buf[65536];
    struct sockaddr_in6 from;

    for (;;) {
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

        if (n >= 0 && sendto(fd, buf, n, 0, (struct sockaddr *)&from, len) != n)
            fprintf(stderr, "# a datagram of %zd bytes is not sent back: %s\n", n, strerror(errno));
    }
}

static int bound(int type)
{
    struct sockaddr_in6 a = endpoint("::", SERVICE);
    int fd = socket(AF_INET6, type, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || (type == SOCK_STREAM && listen(fd, 64)))
        _exit(4);
    return fd;
}

/* In a process group of their own. */
void serve(struct node *n)
{
    int ready[2];
    char c;

    if (pipe(ready))
        tap_bail("no pipe");
    fflush(stdout);
    n->servers = fork();
    if (!n->servers) {
        int stream, datagrams;

        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        in_namespace(n);
        stream = bound(SOCK_STREAM);
        datagrams = bound(SOCK_DGRAM);
        make_room(datagrams);
        if (write(ready[1], "!", 1) != 1)
            _exit(4);
        if (fork())
            serve_tcp(stream);
        serve_udp(datagrams);
    }
    setpgid(n->servers, n->servers);
    close(ready[1]);
    if (read(ready[0], &c, 1) != 1)
        tap_bail("no servers in %s", n->ns);
    close(ready[0]);
}

/* ---- clients ---- */

/* segment: bytes in each of TCP's, 0: as many as the MTU allows. */
static int connected(int type, const char *to, int segment)
{
    struct sockaddr_in6 a = endpoint(to, SERVICE);
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

    be_patient(fd, PATIENCE);
    if (segment)
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        fprintf(stderr, "# %s: %s\n", to, strerror(errno));
        _exit(1);
    }
    return fd;
}

static int stream_to(const char *to, uint64_t bytes, int segment)
{
    static uint64_t buf[CHUNK / 8];
    struct stream s = { .words = bytes / 8, .seed = getpid() * 1000003ull };
    struct answer want = { .words = s.words }, got;
    int fd = connected(SOCK_STREAM, to, segment);

    if (!whole(sending, fd, &s, sizeof(s)))
        return 1;
    for (uint64_t at = 0; at < s.words;) {
        uint64_t n = s.words - at < CHUNK / 8 ? s.words - at : CHUNK / 8;

        for (uint64_t i = 0; i < n; i++, at++) {
            buf[i] = word(s.seed, at);
            want.sum = sum_with(want.sum, buf[i]);
        }
        if (!whole(sending, fd, buf, n * 8)) {
            fprintf(stderr, "# to %s: stopped at %llu of %llu words: %s\n", to, (unsigned long long)at,
                    (unsigned long long)s.words, strerror(errno));
            return 1;
        }
    }
    if (!whole(recv, fd, &got, sizeof(got))) {
        fprintf(stderr, "# to %s: no answer: %s\n", to, strerror(errno));
        return 1;
    }
    close(fd);
    if (memcmp(&got, &want, sizeof(got)))
        fprintf(stderr, "# to %s: %llu of %llu words were right\n", to, (unsigned long long)got.words,
                (unsigned long long)want.words);
    return memcmp(&got, &want, sizeof(got)) != 0;
}

/* A datagram of a known length, with known bytes. */
static size_t datagram(unsigned char *buf, uint64_t seed, unsigned n, unsigned max_size)
{
    size_t size = 8 + word(seed, n) % (max_size - 7);

    memcpy(buf, &(uint32_t[]){ n, size }, 8);
    for (size_t i = 8; i < size; i++)
        buf[i] = i * 31 + n;
    return size;
}

/* A window of datagrams is on its way; each comes back once, and none is lost: there is room for it everywhere. */
static int datagrams_to(const char *to, unsigned count, unsigned max_size)
{
    static unsigned char out[65536], in[65536];
    unsigned sent = 0, back = 0;
    uint64_t seed = getpid();
    int fd = connected(SOCK_DGRAM, to, 0);

    make_room(fd);
    be_patient(fd, PATIENCE);
    while (back < count) {
        ssize_t n;

        for (; sent < count && sent - back < WINDOW; sent++)
            if (send(fd, out, datagram(out, seed, sent, max_size), 0) < 0)
                goto failed;
        n = recv(fd, in, sizeof(in), 0);
        if (n < 0)
            goto failed;
        if (n < 8 || (size_t)n != datagram(out, seed, *(uint32_t *)in, max_size) || memcmp(in, out, n)) {
            fprintf(stderr, "# from %s: a datagram of %zd bytes that nobody sent\n", to, n);
            return 1;
        }
        back++;
    }
    return 0;
failed:
    fprintf(stderr, "# %s: %u of %u datagrams came back: %s\n", to, back, sent, strerror(errno));
    return 1;
}

/* From so many ports, a few datagrams each. */
static int flows_to(const char *to, unsigned flows)
{
    for (unsigned i = 0; i < flows; i++)
        if (datagrams_to(to, 4, 64))
            return 1;
    return 0;
}

static pid_t child_in(const struct node *n)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid)
        in_namespace(n);
    return pid;
}

pid_t tcp_start(const struct node *from, const char *to, uint64_t bytes, int segment)
{
    pid_t pid = child_in(from);

    if (!pid)
        _exit(stream_to(to, bytes, segment));
    return pid;
}

pid_t streams_start(const struct node *from, const char *to)
{
    pid_t pid = child_in(from);
    sigset_t end, pending;
    int status;

    if (pid)
        return pid;
    /* not within a stream: a socket with a timeout would give up */
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    do {
        status = stream_to(to, STREAM, 0);
        sigpending(&pending);
    } while (!status && !sigismember(&pending, SIGTERM));
    _exit(status);
}

bool streams_end(pid_t pid)
{
    kill(pid, SIGTERM);
    return ends_well(pid);
}

pid_t udp_start(const struct node *from, const char *to, unsigned datagrams, unsigned max_size)
{
    pid_t pid = child_in(from);

    if (!pid)
        _exit(datagrams_to(to, datagrams, max_size));
    return pid;
}

pid_t flows_start(const struct node *from, const char *to, unsigned flows)
{
    pid_t pid = child_in(from);

    if (!pid)
        _exit(flows_to(to, flows));
    return pid;
}

bool from_each_cpu(const struct node *from, const char *to)
{
    pid_t pid = child_in(from);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (pid)
        return ends_well(pid);
    for (int cpu = 0; cpu < cpus; cpu++) {
        cpu_set_t only;

        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        if (sched_setaffinity(0, sizeof(only), &only) || datagrams_to(to, 1, 64))
            _exit(1);
    }
    _exit(0);
}

bool ends_well(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && !status;
}

bool tcp(const struct node *from, const char *to, uint64_t bytes)
{
    return ends_well(tcp_start(from, to, bytes, 0));
}

bool udp(const struct node *from, const char *to, unsigned datagrams, unsigned max_size)
{
    return ends_well(udp_start(from, to, datagrams, max_size));
}

bool cast(const struct node *from, const char *to, unsigned datagrams)
{
    pid_t pid = child_in(from);
    char buf[64] = "";
    int fd;

    if (pid)
        return ends_well(pid);
    fd = connected(SOCK_DGRAM, to, 0);
    for (; datagrams; datagrams--)
        if (send(fd, buf, sizeof(buf), 0) != sizeof(buf))
            _exit(1);
    _exit(0);
}

bool pings(const struct node *from, const char *to, unsigned size)
{
    return !run("ip netns exec %s busybox ping %s -c 3 -i 0.2 -W 10 -s %u %s >/dev/null", from->ns, strchr(to, ':') ? "-6" : "-4", size, to);
}

/* ---- groups ---- */

static void on_netdev(int fd, const struct node *n)
{
    be_patient(fd, 10);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, n->netdev, strlen(n->netdev) + 1))
        tap_bail("a socket on %s: %s", n->netdev, strerror(errno));
}

/* The group with its port, as its own family has it; value: the length. */
static socklen_t group_address(const char *group, struct sockaddr_storage *a)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)a;

    memset(a, 0, sizeof(*a));
    if (strchr(group, ':')) {
        *(struct sockaddr_in6 *)a = endpoint(group, GROUP_PORT);
        return sizeof(struct sockaddr_in6);
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons(GROUP_PORT);
    inet_pton(AF_INET, group, &v4->sin_addr);
    return sizeof(*v4);
}

int multicast_join(const struct node *n, const char *group)
{
    struct group_req g = { 0 };
    socklen_t len = group_address(group, &g.gr_group);
    int fd = socket_in(n, g.gr_group.ss_family, SOCK_DGRAM, 0);

    on_netdev(fd, n);
    g.gr_interface = netdev_index(fd, n);
    if (bind(fd, (struct sockaddr *)&g.gr_group, len) ||
        setsockopt(fd, len == sizeof(struct sockaddr_in) ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)))
        tap_bail("%s does not join %s: %s", n->ns, group, strerror(errno));
    return fd;
}

bool multicast_heard(int fd, uint32_t what, int ms)
{
    double end = now_ms() + ms;
    uint32_t word = ~what;

    while (word != what && now_ms() < end) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (poll(&p, 1, end - now_ms() + 1) > 0 && recv(fd, &word, sizeof(word), 0) < 0)
            return false;
    }
    return word == what;
}

bool multicast_send(const struct node *from, const char *group, uint32_t what)
{
    struct sockaddr_storage a;
    socklen_t len = group_address(group, &a);
    int fd = socket_in(from, a.ss_family, SOCK_DGRAM, 0);
    bool sent;

    on_netdev(fd, from);
    sent = sendto(fd, &what, sizeof(what), 0, (struct sockaddr *)&a, len) == sizeof(what);
    close(fd);
    return sent;
}

/* ---- what a netdev sees ---- */

int sniff_start(const struct node *n, bool promiscuous)
{
    int fd = socket_in(n, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = netdev_index(fd, n) };
    struct packet_mreq m = { .mr_ifindex = a.sll_ifindex, .mr_type = PACKET_MR_PROMISC };

    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
        (promiscuous && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m))))
        tap_bail("%s cannot be listened to: %s", n->netdev, strerror(errno));
    return fd;
}

bool sniffed(int fd, uint32_t what, int ms)
{
    double end = now_ms() + ms;
    char frame[2048];

    while (now_ms() < end) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct sockaddr_ll from;
        socklen_t len = sizeof(from);
        ssize_t n;

        if (poll(&p, 1, end - now_ms() + 1) <= 0)
            return false;
        n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &len);
        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING && memmem(frame, n, &what, sizeof(what)))
            return true;
    }
    return false;
}

size_t sniffed_largest(int fd)
{
    struct sockaddr_ll from;
    socklen_t len = sizeof(from);
    size_t largest = 0;
    char byte;
    ssize_t n;

    while ((n = recvfrom(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &len)) >= 0)
        if (from.sll_pkttype != PACKET_OUTGOING && (size_t)n > largest)
            largest = n;
    return largest;
}

bool say(const struct node *from, const char *to, uint32_t what)
{
    struct sockaddr_in6 a = endpoint(to, SERVICE);
    int fd = socket_in(from, AF_INET6, SOCK_DGRAM, 0);
    bool back;

    be_patient(fd, 10);
    back = sendto(fd, &what, sizeof(what), 0, (struct sockaddr *)&a, sizeof(a)) == sizeof(what) &&
           multicast_heard(fd, what, 10000);
    close(fd);
    return back;
}

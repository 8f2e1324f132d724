// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The netdevs that stock mlx5_core makes of the model's functions pass frames:
 * PF and VFs in namespaces of their own, and the other VM at the end of the
 * port.
 *
 *     lab run --driver none --autoprobe --nic ethernet=on --smp 2 -- build/tests/ether ping streams ...
 *     lab pair --driver none --autoprobe --nic ethernet=on -- build/tests/ether serve -- build/tests/ether wire
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../connectx/lab.h"
#include "ether.h"

enum { MiB = 1 << 20, CONTROL = 7002, SEGMENT = 256 /* with options */, HEADERS = 14 + 20 + 20 };

static struct node *pf(struct bench *b)
{
    return &b->node[0];
}

static struct node *vf(struct bench *b, unsigned n)
{
    return &b->node[1 + n];
}

/* That left functions, as the NIC counts. */
static uint64_t frames(struct bench *b)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < b->nodes; i++)
        n += statistic(&b->node[i], "tx_vport_unicast_packets");
    return n;
}

/* Where frames may have been lost, and how many there were. */
static void tell(struct bench *b)
{
    for (unsigned i = 0; i < b->nodes; i++) {
        const struct node *n = &b->node[i];

        tap_diag("%s: out of buffer %lld, tx dropped %lld", n->ns, (long long)statistic(n, "rx_out_of_buffer"),
                 (long long)statistic(n, "tx_queue_dropped"));
        run("nsenter --net=/run/netns/%s nstat -az | grep -E 'Reasm|RcvbufErr|SndbufErr|InDiscards|OutDiscards|CsumErr' | "
            "awk '$2 { print \"# %s\", $1, $2 }'", n->ns, n->ns);
    }
    run("c='build/tests/control counter'; echo \"# frames: $($c %u) sent, $($c %u) not taken, $($c %u) for nobody, $($c %u) lost\"",
        COUNTER_FRAMES, COUNTER_FRAMES_DROPPED, COUNTER_FRAMES_UNWANTED, COUNTER_FRAMES_LOST);
}

static int control_of_driver(const struct node *n, const char *what)
{
    return run("echo %s > /sys/bus/pci/drivers/mlx5_core/%s", n->pci, what);
}

/* ---- among the functions ---- */

static void test_ping(struct bench *b)
{
    ok(pings(vf(b, 0), address(vf(b, 1), false), 56), "ping from VF to VF");
    ok(pings(vf(b, 0), address(pf(b), false), 1400), "from VF to PF");
    ok(pings(pf(b), address(vf(b, 1), true), 56), "from PF to VF, IPv6");
}

static void test_streams(struct bench *b)
{
    for (unsigned v6 = 0; v6 <= 1; v6++) {
        const char *ip = v6 ? "IPv6" : "IPv4";

        ok(tcp(vf(b, 0), address(vf(b, 1), v6), 32 * MiB), "TCP from VF to VF, %s", ip);
        ok(tcp(vf(b, 1), address(pf(b), v6), 16 * MiB), "from VF to PF, %s", ip);
        ok(tcp(pf(b), address(vf(b, 0), v6), 16 * MiB), "from PF to VF, %s", ip);
        ok(udp(vf(b, 0), address(vf(b, 1), v6), 1000, 1452), "datagrams of all sizes, %s", ip);
        ok(udp(vf(b, 1), address(pf(b), v6), 100, 60000), "datagrams in fragments, %s", ip);
    }
}

/* The receiver takes them as they come, then. */
static void test_pieces(struct bench *b)
{
    int fd;

    ok(!set_gro(vf(b, 1), false), "the receiver puts nothing together");
    fd = sniff_start(vf(b, 1), false);
    ok(ends_well(tcp_start(vf(b, 0), address(vf(b, 1), false), MiB, SEGMENT)), "small segments");
    ok_eq(sniffed_largest(fd), HEADERS + SEGMENT, "the NIC makes pieces as large as it is told");
    close(fd);
    ok(!set_gro(vf(b, 1), true), "as before");
}

/* Statistics that a netdev without offloads would not have moved. */
static void test_offloads(struct bench *b)
{
    int64_t tso = statistic(vf(b, 0), "tx_tso_packets"), sums = statistic(vf(b, 1), "rx_csum_complete");

    ok(tcp(vf(b, 0), address(vf(b, 1), false), 8 * MiB), "TCP");
    ok(statistic(vf(b, 0), "tx_tso_packets") > tso, "the sender leaves the cutting to the NIC");
    test_pieces(b);
    ok(statistic(vf(b, 1), "rx_csum_complete") > sums, "the receiver takes its sums");
    ok(!run("ip netns exec %s ip link show dev %s >/dev/null && ! dmesg | grep -E 'hw csum failure|TX timeout'", vf(b, 0)->ns,
            vf(b, 0)->netdev), "and finds them right");
}

static void test_jumbo(struct bench *b)
{
    for (unsigned i = 0; i < b->nodes; i++)
        set_mtu(&b->node[i], 9000);
    ok(pings(vf(b, 0), address(vf(b, 1), false), 8972), "a ping as large as an MTU of 9000");
    ok(tcp(vf(b, 0), address(vf(b, 1), false), 32 * MiB), "TCP at 9000, VF to VF");
    ok(tcp(pf(b), address(vf(b, 1), true), 16 * MiB), "PF to VF, IPv6");
    ok(udp(vf(b, 1), address(pf(b), false), 500, 8972), "datagrams of all sizes");
    for (unsigned i = 0; i < b->nodes; i++)
        set_mtu(&b->node[i], 1500);
    ok(tcp(vf(b, 0), address(vf(b, 1), false), 4 * MiB), "and at 1500 again");
}

static void add_vlan(const struct node *n, unsigned vid)
{
    if (run("ip -n %s link add link %s name v%u type vlan id %u", n->ns, n->netdev, vid, vid) ||
        run("ip -n %s addr add 10.8.%u.%u/24 dev v%u", n->ns, vid % 256, n->number, vid) ||
        run("ip -n %s link set dev v%u up", n->ns, vid))
        tap_bail("no VLAN %u on %s", vid, n->netdev);
}

static void test_vlan(struct bench *b)
{
    uint32_t missing = inet_addr("10.8.100.77");
    char to[16];
    int fd;

    add_vlan(vf(b, 0), 100);
    add_vlan(vf(b, 1), 100);
    add_vlan(pf(b), 101);
    snprintf(to, sizeof(to), "10.8.100.%u", vf(b, 1)->number);
    ok(pings(vf(b, 0), to, 56), "ping in a VLAN");
    ok(tcp(vf(b, 0), to, 16 * MiB), "TCP in a VLAN");
    ok(udp(vf(b, 0), to, 200, 9000), "datagrams, also in fragments");
    fd = sniff_start(pf(b), false);
    ok(run("ip -n %s addr add 10.8.100.77/24 dev v101", pf(b)->ns) == 0 &&
       run("ip netns exec %s busybox arping -c 2 -w 2 -I v100 10.8.100.77 >/dev/null", vf(b, 0)->ns) != 0,
       "who is in another one does not hear of it");
    ok(!sniffed(fd, missing, 100), "and not even his netdev does: the NIC keeps it from him");
    close(fd);
    for (unsigned i = 0; i < b->nodes; i++)
        run("ip -n %s link del dev v%u", b->node[i].ns, i ? 100 : 101);
}

static void test_multicast(struct bench *b)
{
    static const char *const groups[] = { "239.9.8.7", "ff05::9:8:7" };

    for (unsigned i = 0; i < 2; i++) {
        int first = multicast_join(vf(b, 0), groups[i]), second = multicast_join(vf(b, 1), groups[i]);
        int other = sniff_start(pf(b), false);
        uint32_t what = 0x5eed0000 + getpid() + i;

        /* mlx5 tells the NIC of a new group when it comes to it */
        ok(wait_until(multicast_send(pf(b), groups[i], what + 1000) && multicast_heard(first, what + 1000, 100) &&
                      multicast_heard(second, what + 1000, 100), PATIENCE * 1000), "%s is joined", groups[i]);
        ok(multicast_send(vf(b, 1), groups[i], what) && multicast_heard(first, what, 10000), "a member hears another");
        ok(!sniffed(other, what, 300), "who is none does not");
        ok(multicast_send(pf(b), groups[i], what + 1) && multicast_heard(first, what + 1, 10000) &&
           multicast_heard(second, what + 1, 10000),
           "all hear who is none");
        close(first);
        close(second);
        close(other);
    }
}

static void test_promiscuous(struct bench *b)
{
    uint32_t what = 0xc0de0000 + getpid();
    int fd = sniff_start(vf(b, 1), false);

    ok(say(vf(b, 0), address(pf(b), false), what) && !sniffed(fd, what, 300), "what is said to another is not heard");
    close(fd);
    fd = sniff_start(vf(b, 1), true);
    ok(wait_until(say(vf(b, 0), address(pf(b), false), what) && sniffed(fd, what, 200), 10000),
       "but by who listens to everything");
    close(fd);
    ok(wait_until(({
        bool heard;

        fd = sniff_start(vf(b, 1), false);
        heard = say(vf(b, 0), address(pf(b), false), ++what) && sniffed(fd, what, 200);
        close(fd);
        !heard;
    }), 10000), "and no longer, when that ends");
}

static void test_queues(struct bench *b)
{
    int64_t before[2], after[2];

    for (unsigned i = 0; i < 2; i++) {
        char name[20];

        snprintf(name, sizeof(name), "rx%u_packets", i);
        before[i] = statistic(vf(b, 1), name);
    }
    ok(ends_well(flows_start(vf(b, 0), address(vf(b, 1), false), 32)), "32 flows");
    for (unsigned i = 0; i < 2; i++) {
        char name[20];

        snprintf(name, sizeof(name), "rx%u_packets", i);
        after[i] = statistic(vf(b, 1), name);
    }
    ok(after[0] > before[0] + 8 && after[1] > before[1] + 8, "go to two queues: %lld and %lld frames",
       (long long)(after[0] - before[0]), (long long)(after[1] - before[1]));
}

/* By small segments: each is a frame for the NIC, of which the kernels see few. */
static void test_million(struct bench *b)
{
    enum { BYTES = 128 * MiB };
    uint64_t before = frames(b), n;
    double began = now_ms(), ms;
    pid_t one = tcp_start(vf(b, 0), address(vf(b, 1), false), BYTES, SEGMENT);
    pid_t other = tcp_start(pf(b), address(vf(b, 0), true), BYTES, SEGMENT);

    ok(ends_well(one) & ends_well(other), "two streams in small segments");
    ms = now_ms() - began;
    n = frames(b) - before;
    ok(n > 1000000, "%llu frames", (unsigned long long)n);
    tap_diag("%.0f frames/s, %.1f MB/s", n / ms * 1e3, 2.0 * BYTES / ms / 1e3);
}

/* ---- changes meanwhile ---- */

static void test_changes(struct bench *b)
{
    pid_t streams = streams_start(vf(b, 0), address(vf(b, 1), false));

    ok(!set_rings(vf(b, 1), 256, 256), "smaller rings, while it receives");
    ok(!set_rings(vf(b, 0), 2048, 512), "and others, while it sends");
    ok(!set_channels(vf(b, 0), 1), "one channel");
    ok(!set_channels(vf(b, 0), 2), "and two");
    ok(!set_channels(vf(b, 1), 1) && !set_channels(vf(b, 1), 2), "the same of the receiver");
    ok(!set_rings(vf(b, 1), 1024, 1024) && !set_rings(vf(b, 0), 1024, 1024), "rings as they were");
    /* mlx5e starts its queues again and wakes none: what waited above one stays there until something else is sent by it */
    ok(from_each_cpu(vf(b, 0), address(vf(b, 1), false)) && from_each_cpu(vf(b, 1), address(vf(b, 0), false)), "each queue sends");
    ok(streams_end(streams), "what was sent meanwhile arrived");
}

static void test_flap(struct bench *b)
{
    pid_t streams = streams_start(vf(b, 0), address(pf(b), false));

    for (unsigned i = 0; i < 2; i++) {
        ok(!run("ip -n %s link set dev %s down", vf(b, 1)->ns, vf(b, 1)->netdev), "a VF goes down");
        ok(!run("ip -n %s link set dev %s up && ip -n %s addr add fd09::%u/64 nodad dev %s", vf(b, 1)->ns, vf(b, 1)->netdev,
                vf(b, 1)->ns, vf(b, 1)->number, vf(b, 1)->netdev), "and up");
    }
    ok(tcp(vf(b, 1), address(vf(b, 0), false), 4 * MiB) && tcp(vf(b, 1), address(vf(b, 0), true), 4 * MiB), "it works again");
    ok(streams_end(streams), "what others sent meanwhile arrived");
}

static bool all_have_carrier(struct bench *b, bool want)
{
    for (unsigned i = 0; i < b->nodes; i++)
        if (carrier(&b->node[i]) != want)
            return false;
    return true;
}

/* The cable is pulled, and put in again. */
static void test_port(struct bench *b)
{
    ok(!run("build/tests/control port down") && wait_until(all_have_carrier(b, false), PATIENCE * 1000),
       "without its port's link no netdev has a carrier");
    ok(!run("build/tests/control port up") && wait_until(all_have_carrier(b, true), PATIENCE * 1000), "with it all have one");
    ok(tcp(vf(b, 0), address(vf(b, 1), false), 4 * MiB), "and work");
}

static void test_reload(struct bench *b)
{
    pid_t streams = streams_start(vf(b, 0), address(pf(b), false));
    struct node *n = vf(b, 1);

    ok(!control_of_driver(n, "unbind"), "a VF's driver leaves");
    ok(!control_of_driver(n, "bind"), "and comes");
    node_find(n);
    node_enter(n);
    ok(tcp(vf(b, 0), address(n, false), 4 * MiB) && tcp(n, address(vf(b, 0), true), 4 * MiB), "its new netdev works");
    ok(streams_end(streams), "what others sent meanwhile arrived");
}

/* ---- to the other VM ---- */

static int control_socket(const char *variable, struct sockaddr_in *a)
{
    const char *text = getenv(variable);

    *a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(CONTROL) };
    if (!text || inet_pton(AF_INET, text, &a->sin_addr) != 1)
        tap_bail("%s is not set: run this with lab pair", variable);
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The servers answer until the other VM has said that it is done. */
static void test_serve(struct bench *b)
{
    struct sockaddr_in a;
    int listener = control_socket("LAB_SELF", &a), one = 1, fd;
    char last = 0;

    (void)b;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1))
        tap_bail("nobody can come: %s", strerror(errno));
    fd = accept(listener, NULL, NULL);
    ok(read(fd, &last, 1) == 1 && last == '.', "the other VM came to its end");
}

static void test_wire(struct bench *b)
{
    struct sockaddr_in a;
    int fd = -1;

    if (!wait_until(!connect((fd >= 0 ? close(fd) : 0, fd = control_socket("LAB_PEER", &a)), (struct sockaddr *)&a, sizeof(a)),
                    2 * PATIENCE * 1000))
        tap_bail("the other VM does not come");
    /* a's functions are 1 to 3, b's 101 to 103 */
    ok(pings(pf(b), "10.9.0.1", 56), "ping from PF to PF, in another VM");
    ok(pings(vf(b, 0), "fd09::3", 1400), "from VF to VF");
    ok(tcp(vf(b, 0), "10.9.0.2", 16 * MiB), "TCP from VF to VF");
    ok(tcp(pf(b), "fd09::3", 8 * MiB), "from PF to VF, IPv6");
    ok(udp(vf(b, 1), "10.9.0.1", 500, 1472), "datagrams from VF to PF");
    /* while a neighbour is looked for, a kernel keeps no more than 208 KiB for it: three such datagrams */
    ok(pings(vf(b, 0), "fd09::2", 56) && udp(vf(b, 0), "fd09::2", 200, 60000), "in fragments, from VF to VF");
    ok(tcp(vf(b, 0), address(vf(b, 1), false), 4 * MiB), "and within this VM");
    ok(write(fd, ".", 1) == 1, "that was all");
}

/* What --port user leads to: QEMU's own network, which answers, and sends on by this machine's. */
static void test_user(struct bench *b)
{
    for (unsigned i = 0; i < 2; i++) {
        ok(!run("ip -n %s addr add 10.0.2.%u/24 dev %s", b->node[i].ns, 15 + i, b->node[i].netdev) &&
           pings(&b->node[i], "10.0.2.2", 1400), "%s reaches it", i ? "a VF" : "the PF");
    }
}

static const struct group groups[] = {
    { "ping", test_ping },
    { "streams", test_streams },
    { "offloads", test_offloads },
    { "jumbo", test_jumbo },
    { "vlan", test_vlan },
    { "multicast", test_multicast },
    { "promiscuous", test_promiscuous },
    { "queues", test_queues },
    { "million", test_million },
    { "changes", test_changes },
    { "flap", test_flap },
    { "port", test_port },
    { "reload", test_reload },
    { "move", test_move },
    { "cost", test_cost },
    { "serve", test_serve },
    { "wire", test_wire },
    { "user", test_user },
    { NULL, NULL },
};

/* PF and VFs come from the lab; in the second VM of a pair their numbers begin at 101. */
static void open_bench(struct bench *b)
{
    const char *self = getenv("LAB_SELF"), *first = getenv("FERRY_PF"), *others = getenv("FERRY_VFS");
    unsigned base = self && !strcmp(self, "10.7.0.2") ? 101 : 1;
    char list[128];

    if (!first || !others)
        tap_bail("FERRY_PF and FERRY_VFS are not set: run this with lab");
    snprintf(list, sizeof(list), "%s %s", first, others);
    for (char *word = strtok(list, " "); word && b->nodes < MAX_NODES; word = strtok(NULL, " ")) {
        struct node *n = &b->node[b->nodes];

        snprintf(n->pci, sizeof(n->pci), "%s", word);
        snprintf(n->ns, sizeof(n->ns), "n%u", b->nodes);
        n->number = base + b->nodes++;
        if (run("ip netns add %s", n->ns))
            tap_bail("no namespace");
        node_find(n);
        node_enter(n);
        serve(n);
    }
    if (b->nodes < MAX_NODES)
        tap_bail("a PF and two VFs are needed");
}

int main(int argc, char **argv)
{
    struct bench b = { 0 };

    if (argc < 2)
        return groups_usage(argv[0], groups);
    open_bench(&b);
    groups_run(groups, &b, argv + 1);
    tell(&b);
    for (unsigned i = 0; i < b.nodes; i++)
        node_leave(&b.node[i]);
    return tap_done();
}

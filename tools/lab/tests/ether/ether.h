/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the netdevs stand on: each function of the NIC has a
 * network namespace of its own, in which servers answer.
 */
#ifndef ETHER_H
#define ETHER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/groups.h"
#include "../lib/tap.h"

enum { MAX_NODES = 3, PATIENCE = 60 /* s */ };

/* A function, its netdev, its namespace.  Node n has the address 10.9.N.n, fd09::N:n. */
struct node {
    char pci[16], netdev[IFNAMSIZ], ns[16];
    unsigned number;
    pid_t servers;
};

struct bench {
    struct node node[MAX_NODES];        /* PF, VF 0, VF 1 */
    unsigned nodes;
    char peer[MAX_NODES][40];           /* addresses in the other VM; "": none */
};

/* node.c */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* a shell's status */
void node_find(struct node *n);         /* its netdev, when its driver has made it */
void node_enter(struct node *n);        /* into its namespace, with its addresses, up */
void node_leave(struct node *n);
bool carrier(const struct node *n);
void in_namespace(const struct node *n);        /* the calling process, for the rest of its life */
int socket_in(const struct node *n, int domain, int type, int protocol);
int netdev_index(int fd, const struct node *n);
const char *address(const struct node *n, bool v6);
void set_mtu(struct node *n, unsigned mtu);
/* ethtool's: -G rx and tx, -L combined; 0 or -errno.  A statistic by name, -1: none such. */
int set_rings(const struct node *n, unsigned rx, unsigned tx);
int set_gro(const struct node *n, bool on);
int set_channels(const struct node *n, unsigned channels);
int64_t statistic(const struct node *n, const char *name);

/* traffic.c */
enum { SERVICE = 7000 };
void serve(struct node *n);             /* TCP and UDP, until node_leave() */
/* In a process of its own; the status is 0 if all came back as it was sent. */
pid_t tcp_start(const struct node *from, const char *to, uint64_t bytes, int segment);
pid_t streams_start(const struct node *from, const char *to);   /* one after the other, until streams_end() */
bool streams_end(pid_t pid);
pid_t udp_start(const struct node *from, const char *to, unsigned datagrams, unsigned max_size);
bool from_each_cpu(const struct node *from, const char *to);    /* a datagram, and so by each queue */
pid_t flows_start(const struct node *from, const char *to, unsigned flows);
bool ends_well(pid_t pid);
bool tcp(const struct node *from, const char *to, uint64_t bytes);
bool udp(const struct node *from, const char *to, unsigned datagrams, unsigned max_size);
/* To somebody who does not answer. */
bool cast(const struct node *from, const char *to, unsigned datagrams);
bool pings(const struct node *from, const char *to, unsigned size);
/* Datagrams of one word: to a server, which says the same; to a group, whose members hear it. */
bool say(const struct node *from, const char *to, uint32_t what);
int multicast_join(const struct node *n, const char *group);
bool multicast_send(const struct node *from, const char *group, uint32_t what);
bool multicast_heard(int fd, uint32_t what, int ms);
/* Does a word come by at a netdev, in so many milliseconds? */
int sniff_start(const struct node *n, bool promiscuous);
bool sniffed(int fd, uint32_t what, int ms);
size_t sniffed_largest(int fd);         /* of what came by so far */

/* cost.c: what a frame costs */
void test_cost(struct bench *b);

/* move.c: a VF is saved, and loaded again, while it sends and receives */
void test_move(struct bench *b);

#endif

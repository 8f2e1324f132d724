// SPDX-License-Identifier: GPL-2.0-or-later
/* Netdevs and their namespaces, by the programs and ioctls that users have. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ether.h"

int run(const char *fmt, ...)
{
    char command[512];
    va_list ap;
    int status;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    status = system(command);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (status)
        tap_diag("%s: status %d", command, status);
    return status;
}

static bool find(struct node *n)
{
    char path[80];
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", n->pci);
    d = opendir(path);
    n->netdev[0] = 0;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            snprintf(n->netdev, sizeof(n->netdev), "%.15s", e->d_name);
    if (d)
        closedir(d);
    return n->netdev[0];
}

void node_find(struct node *n)
{
    if (!wait_until(find(n), PATIENCE * 1000))
        tap_bail("%s has no netdev", n->pci);
}

bool carrier(const struct node *n)
{
    struct ifreq r = { 0 };
    int fd = socket_in(n, AF_INET, SOCK_DGRAM, 0);
    bool up;

    memcpy(r.ifr_name, n->netdev, sizeof(r.ifr_name));
    up = !ioctl(fd, SIOCGIFFLAGS, &r) && r.ifr_flags & IFF_RUNNING;
    close(fd);
    return up;
}

void node_enter(struct node *n)
{
    if (run("ip link set dev %s netns %s", n->netdev, n->ns) || run("ip -n %s link set lo up", n->ns) ||
        run("ip -n %s addr add 10.9.0.%u/24 dev %s", n->ns, n->number, n->netdev) ||
        run("ip -n %s addr add fd09::%u/64 nodad dev %s", n->ns, n->number, n->netdev) ||
        run("ip -n %s link set dev %s up", n->ns, n->netdev) || !wait_until(carrier(n), PATIENCE * 1000))
        tap_bail("%s (%s) does not come up", n->netdev, n->pci);
}

void node_leave(struct node *n)
{
    if (n->servers > 0) {
        kill(-n->servers, SIGKILL);
        waitpid(n->servers, NULL, 0);
    }
    n->servers = 0;
}

void in_namespace(const struct node *n)
{
    char path[40];
    int fd;

    snprintf(path, sizeof(path), "/run/netns/%s", n->ns);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET))
        _exit(3);
    close(fd);
}

const char *address(const struct node *n, bool v6)
{
    static char text[4][40];
    static unsigned turn;
    char *a = text[turn++ % 4];

    snprintf(a, sizeof(text[0]), v6 ? "fd09::%u" : "10.9.0.%u", n->number);
    return a;
}

void set_mtu(struct node *n, unsigned mtu)
{
    if (run("ip -n %s link set dev %s mtu %u", n->ns, n->netdev, mtu) || !wait_until(carrier(n), PATIENCE * 1000))
        tap_bail("%s does not take an MTU of %u", n->netdev, mtu);
}

/* A socket stays in the namespace that it was made in. */
int socket_in(const struct node *n, int domain, int type, int protocol)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

    in_namespace(n);
    fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    if (fd < 0 || home < 0 || setns(home, CLONE_NEWNET))
        tap_bail("a socket in %s: %s", n->ns, strerror(errno));
    close(home);
    return fd;
}

int netdev_index(int fd, const struct node *n)
{
    struct ifreq r = { 0 };

    memcpy(r.ifr_name, n->netdev, sizeof(r.ifr_name));
    if (ioctl(fd, SIOCGIFINDEX, &r))
        tap_bail("%s is not in %s", n->netdev, n->ns);
    return r.ifr_ifindex;
}

/* ---- ethtool ---- */

static int ethtool(const struct node *n, void *arg)
{
    struct ifreq r = { .ifr_data = arg };
    int fd = socket_in(n, AF_INET, SOCK_DGRAM, 0), err;

    memcpy(r.ifr_name, n->netdev, sizeof(r.ifr_name));
    err = ioctl(fd, SIOCETHTOOL, &r) ? -errno : 0;
    close(fd);
    return err;
}

int set_rings(const struct node *n, unsigned rx, unsigned tx)
{
    struct ethtool_ringparam p = { .cmd = ETHTOOL_GRINGPARAM };
    int err = ethtool(n, &p);

    if (err)
        return err;
    p.cmd = ETHTOOL_SRINGPARAM;
    p.rx_pending = rx;
    p.tx_pending = tx;
    return ethtool(n, &p);
}

int set_channels(const struct node *n, unsigned channels)
{
    struct ethtool_channels p = { .cmd = ETHTOOL_GCHANNELS };
    int err = ethtool(n, &p);

    if (err)
        return err;
    p.cmd = ETHTOOL_SCHANNELS;
    p.combined_count = channels;
    return ethtool(n, &p);
}

int set_gro(const struct node *n, bool on)
{
    struct ethtool_value v = { .cmd = ETHTOOL_SGRO, .data = on };

    return ethtool(n, &v);
}

int64_t statistic(const struct node *n, const char *name)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    struct ethtool_gstrings *names;
    struct ethtool_stats *values;
    int64_t value = -1;

    if (ethtool(n, &info))
        return -1;
    names = calloc(1, sizeof(*names) + (size_t)info.n_stats * ETH_GSTRING_LEN);
    values = calloc(1, sizeof(*values) + (size_t)info.n_stats * 8);
    *names = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = info.n_stats };
    *values = (struct ethtool_stats){ .cmd = ETHTOOL_GSTATS, .n_stats = info.n_stats };
    if (!ethtool(n, names) && !ethtool(n, values))
        for (unsigned i = 0; i < info.n_stats; i++)
            if (!strcmp((char *)names->data + i * ETH_GSTRING_LEN, name))
                value = values->data[i];
    free(names);
    free(values);
    return value;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a frame costs: the VM's processor, by what it was not idle, and the
 * host's, by what the model says that it took for frames.
 *
 *     lab run --counted --smp 1 --driver none --autoprobe --nic ethernet=on -- build/tests/ether cost
 *
 * There an instruction of the VM takes a nanosecond: its figures repeat, on any
 * machine. The host's are of this machine, and of how busy it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/bar2.h"
#include "../lib/pci.h"
#include "ether.h"

enum { DATAGRAMS = 20000, STREAM = 32 << 20, TICK_MS = 10 };

struct cost {
    double busy_ms;
    uint64_t frames, host_ns;
};

/* How long the processor has not been idle. */
static double busy_ms(void)
{
    unsigned long long idle, waiting;
    FILE *stat = fopen("/proc/stat", "r");

    if (!stat || fscanf(stat, "cpu %*u %*u %*u %llu %llu", &idle, &waiting) != 2)
        tap_bail("the kernel does not say how idle it is");
    fclose(stat);
    return now_ms() - (double)(idle + waiting) * TICK_MS;
}

static struct cost now(struct bar2 control)
{
    return (struct cost){ .busy_ms = busy_ms(), .frames = ctl_counter(control, COUNTER_FRAMES),
                          .host_ns = ctl_counter(control, COUNTER_FRAMES_NS) };
}

static double tell(struct bar2 control, const struct cost *began, uint64_t least, const char *what)
{
    struct cost end = now(control);
    double frames = end.frames - began->frames, each = (end.busy_ms - began->busy_ms) * 1e6 / frames;

    ok(frames >= least, "%s: %.0f ns of the VM, %.0f ns of the host's for the NIC, each of %.0f frames", what, each,
       (end.host_ns - began->host_ns) / frames, frames);
    return each;
}

void test_cost(struct bench *b)
{
    const struct node *from = &b->node[1], *to = &b->node[2];
    struct bar2 control = control_of(pci_map_bar(getenv("FERRY_PF"), 2, BAR2_SIZE));
    struct cost began;
    double send, both;

    if (run("ip -n %s neigh replace 10.9.0.99 lladdr 02:00:00:00:00:99 dev %s", from->ns, from->netdev) ||
        !udp(from, address(to, false), 100, 64))
        tap_bail("nothing can be sent");
    began = now(control);
    ok(cast(from, "10.9.0.99", DATAGRAMS), "datagrams to nobody");
    send = tell(control, &began, DATAGRAMS, "a datagram is sent");
    began = now(control);
    ok(udp(from, address(to, false), DATAGRAMS / 2, 64), "datagrams, and their echoes");
    both = tell(control, &began, DATAGRAMS, "one is sent and received");
    tap_diag("to receive one: %.0f ns of the VM", both - send);
    began = now(control);
    ok(tcp(from, address(to, false), STREAM), "a stream, every byte of which is made and checked");
    tell(control, &began, STREAM / 1500, "a full frame of a stream is sent and received");
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * control WORD...: the model's control block from the command line, for tests
 * in shell.  A VHCA is a number: 32 is the PF, 33 + n is VF n.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bar2.h"
#include "lib/pci.h"
#include "lib/tap.h"

static const char usage[] =
    "usage: control error VHCA     put it in fatal error\n"
    "       control reinit VHCA    as if its driver had started anew\n"
    "       control state VHCA     print its state\n"
    "       control counter N      print a counter (connectx/lab.h)\n"
    "       control opcode N       print how many commands had this opcode\n"
    "       control hits           print how many commands faults have struck\n"
    "       control port up|down   its link, with ethernet=on\n"
    "       control fail OPCODE VHCA   these commands fail from now on: a firmware error\n"
    "       control delay OPCODE VHCA US   they take so much longer\n"
    "       control disarm         they work again\n";

static unsigned long number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 0);

    if (*end || end == text) {
        fputs(usage, stderr);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    const char *pf = getenv("FERRY_PF");
    struct bar2 control;

    if (!pf)
        tap_bail("FERRY_PF is not set: run this in the lab");
    control = control_of(pci_map_bar(pf, 2, BAR2_SIZE));
    if (argc == 2 && !strcmp(argv[1], "hits"))
        printf("%llu\n", (unsigned long long)ctl_read(control, CB_FAULT_HITS));
    else if (argc == 3 && !strcmp(argv[1], "error"))
        ctl_vhca_action(control, number(argv[2]), VHCA_SET_ERROR);
    else if (argc == 3 && !strcmp(argv[1], "reinit"))
        ctl_vhca_action(control, number(argv[2]), VHCA_SET_REINIT);
    else if (argc == 3 && !strcmp(argv[1], "state"))
        printf("%u\n", ctl_vhca_state(control, number(argv[2])));
    else if (argc == 3 && !strcmp(argv[1], "counter"))
        printf("%llu\n", (unsigned long long)ctl_counter(control, number(argv[2])));
    else if (argc == 3 && !strcmp(argv[1], "opcode"))
        printf("%llu\n", (unsigned long long)ctl_opcode_count(control, number(argv[2])));
    else if (argc == 3 && !strcmp(argv[1], "port"))
        ctl_write(control, CB_PORT_DOWN, !strcmp(argv[2], "down"));
    else if (argc == 4 && !strcmp(argv[1], "fail"))
        ctl_arm(control, (struct fault){ .opcode = number(argv[2]), .vhca_id = number(argv[3]), .action = FAULT_FAIL,
                                         .status = 8, .syndrome = 0x321 });
    else if (argc == 5 && !strcmp(argv[1], "delay"))
        ctl_arm(control, (struct fault){ .opcode = number(argv[2]), .vhca_id = number(argv[3]), .action = FAULT_DELAY,
                                         .delay_us = number(argv[4]) });
    else if (argc == 2 && !strcmp(argv[1], "disarm"))
        ctl_disarm(control);
    else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * analyser CORPUS GROUP...: does libferry's analyser see what is wrong with a
 * stream, and nothing where nothing is? Runs on the host.
 *
 * The witness is the fuzz target's reference (tools/testing/fuzz/judge.c), which
 * was written from the format's description and shares no code with either the
 * driver's decoder or the analyser.
 */
#include "../../lib/groups.h"
#include "../../lib/tap.h"
#include "bench.h"

static const struct group groups[] = {
    { "corpus", test_corpus },
    { "made", test_made },
    { "cuts", test_cuts },
    { "flips", test_flips },
    { "packets", test_packets },
    { "images", test_images },
    { "large", test_large },
    { }
};

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 3)
        return groups_usage("analyser CORPUS", groups);
    bench_load(&b, argv[1]);
    groups_run(groups, &b, argv + 2);
    return tap_done();
}

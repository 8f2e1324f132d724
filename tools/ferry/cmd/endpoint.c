// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of where to connect or listen, and how that is protected.
 */
#include <stdlib.h>
#include <string.h>

#include "migrate.h"

enum { KEY_CERT = 0x300, KEY_KEY, KEY_CA, KEY_PEER, KEY_PLAIN, KEY_TIMEOUT };

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "The connection:", 1 },
	{ "cert", KEY_CERT, "FILE", 0, "TLS: this host's certificate, PEM", 1 },
	{ "key", KEY_KEY, "FILE", 0, "TLS: its key, PEM", 1 },
	{ "ca", KEY_CA, "FILE", 0, "TLS: who signs the other host's certificate, PEM", 1 },
	{ "peer-name", KEY_PEER, "NAME", 0,
	  "TLS: the name in the other host's certificate (send: HOST; receive: any)", 1 },
	{ "plain-tcp", KEY_PLAIN, NULL, 0, "No TLS: anybody on the way can read and change what is sent", 1 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "Give up when the other host is silent for so long (default: 5)", 1 },
	{ NULL }
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct ferry_endpoint *e = state->input;

	switch (key) {
	case KEY_CERT:
		e->cert = value;
		return 0;
	case KEY_KEY:
		e->key = value;
		return 0;
	case KEY_CA:
		e->ca = value;
		return 0;
	case KEY_PEER:
		e->peer_name = value;
		return 0;
	case KEY_PLAIN:
		e->plain = true;
		return 0;
	case KEY_TIMEOUT:
		e->timeout_ms = number_of(state, "--timeout", value, 2, 3600) * 1000;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp endpoint_argp = { options, parse };

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What shall be there after the next start of the machine, too: a file with a
 * line for each physical function that has VFs and for each function that is
 * bound, and a systemd unit that has `ferry bind --restore` do all of it.
 */
#ifndef PERSIST_H
#define PERSIST_H

#include <ferry/bind.h>

#define PERSIST_FILE	FERRY_PERSIST_FILE
#define PERSIST_UNIT	"ferry-bind.service"

/* These, as they are bound now; of VFs also how many their PF has, and the mode of its switch. */
int persist_note(const char *const *addresses, unsigned int count, struct ferry_error *error);

/* No more of these, nor of VFs of these. The last one takes the file and the unit's being enabled along. */
int persist_forget(const char *const *addresses, unsigned int count, struct ferry_error *error);

/* Makes and binds all that is noted, as far as it can be done; what cannot is complained of. An exit_code. */
int persist_restore(void);

#endif /* PERSIST_H */

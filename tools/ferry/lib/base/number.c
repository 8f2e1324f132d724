// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers that people write. See ferry/error.h.
 */
#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

/* strtoull() takes blanks and signs, too. */
FERRY_API bool ferry_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *number >= min && *number <= max;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Finding a stream's format among those that were linked in. */
#include <stdlib.h>

#include <libvfio.h>
#include <libmigration.h>

/* The linker's; weak, for there may be no format at all. */
extern const struct stream_format *const __start_mig_stream_formats[] __attribute__((weak));
extern const struct stream_format *const __stop_mig_stream_formats[] __attribute__((weak));

struct stream_record *stream_records_add(struct stream_records *records)
{
	struct stream_record *record;

	records->record = realloc(records->record, (records->count + 1) * sizeof(*record));
	VFIO_ASSERT_NOT_NULL(records->record);
	record = &records->record[records->count++];
	*record = (struct stream_record){ };

	return record;
}

void stream_field_add(struct stream_record *record, const char *name, size_t at, size_t len)
{
	VFIO_ASSERT_LT(record->fields, (unsigned int)STREAM_MAX_FIELDS);
	record->field[record->fields++] =
		(struct stream_field){ .name = name, .at = at, .len = len };
}

void stream_records_free(struct stream_records *records)
{
	free(records->record);
	*records = (struct stream_records){ };
}

const struct stream_format *stream_format_find(const struct mig_stream *stream,
					       struct stream_records *records)
{
	const struct stream_format *const *at;

	*records = (struct stream_records){ };
	for (at = __start_mig_stream_formats; at < __stop_mig_stream_formats; at++) {
		if ((*at)->split(stream, records))
			return *at;
		stream_records_free(records);
	}
	return NULL;
}

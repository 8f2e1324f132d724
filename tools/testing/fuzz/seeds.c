// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes the corpus: a few streams, each a plan and what comes behind it.
 *
 * Streams with ferry's identity come from the encoder, plain ones and those
 * with something wrong in them from their records. `make corpus` runs it.
 */
#include <endian.h>
#include <string.h>

#include "plan.h"
#include "records.h"

static const char *folder;

/* The stream that is being made */
static u8 stream[2048];
static size_t length;
static struct ferry_encoder encoder;

static void save(const char *name, struct plan plan)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (!file || fwrite(&plan, sizeof(plan), 1, file) != 1 ||
	    fwrite(stream, 1, length, file) != length || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void begin_marked(u64 hint, u16 mark)
{
	struct vfio_ferry_identity identity = {
		.mark = htole16(mark),
		.family = "mlx5",
		.vendor = htole16(0x15b3),
		.device = htole16(0x101e),
		.firmware = { htole16(28), htole16(43), htole16(1014) },
		.capabilities = htole64(3),
	};

	ferry_encoder_init(&encoder);
	length = ferry_encode_identity(&encoder, stream, &identity);
	if (hint)
		length += ferry_encode_stop_copy_size(&encoder, stream + length,
						      hint);
}

static void begin(u64 hint)
{
	begin_marked(hint, 0);
}

static void add_shape(void)
{
	struct vfio_ferry_shape shape = {
		.vectors = htole32(32),
		.bar = { htole64(1 << 20), 0, htole64(1 << 20) },
		.capability = { htole32(0x09c00011), htole32(0x06000010),
				htole32(0x1001000e) },
	};

	length += ferry_encode_shape(&encoder, stream + length, &shape);
}

static void add_image(u32 kind, size_t bytes)
{
	u8 *data;

	length += ferry_encode_image(&encoder, stream + length, bytes);
	data = stream + length;
	for (size_t i = 0; i < bytes; i++)
		data[i] = kind * 31 + i * 7;
	ferry_encode_image_data(&encoder, data, bytes);
	length += bytes;
	length += ferry_encode_image_check(&encoder, stream + length, kind);
}

static void end(void)
{
	length += ferry_encode_end(&encoder, stream + length);
}

static void add_record(u64 size, u32 flags, u32 tag, size_t bytes)
{
	struct vfio_ferry_record record = {
		.size = htole64(size),
		.flags = htole32(flags),
		.tag = htole32(tag),
	};

	memcpy(stream + length, &record, sizeof(record));
	length += sizeof(record);
	memset(stream + length, 0xa5, bytes);
	length += bytes;
}

static void smallest(void)
{
	begin(0);
	add_image(VFIO_FERRY_IMAGE_FINAL, 1);
	end();
}

static void after_precopy(void)
{
	begin(4711);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 100);
	add_image(VFIO_FERRY_IMAGE_MIDDLE, 1);
	add_image(VFIO_FERRY_IMAGE_FINAL, 64);
	end();
}

static void good_streams(void)
{
	smallest();
	save("smallest", (struct plan) { 0 });
	after_precopy();
	save("pre-copy-byte-by-byte", (struct plan) { .pieces = { 1, 1, 1, 1 } });
	save("pre-copy-odd-pieces", (struct plan) {
		.pieces = { 15, 17, 1, 64 }, .refuse = 2, .flip = 1,
		.where = htole32(200), .cut = htole32(300),
	});
	begin(8);
	add_image(VFIO_FERRY_IMAGE_FINAL, 33);
	add_image(VFIO_FERRY_IMAGE_FINAL, 32);
	end();
	save("final-in-parts", (struct plan) { .pieces = { 31 }, .limit = 33 });
	begin(0);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 8);
	add_image(VFIO_FERRY_IMAGE_MIDDLE, 8);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 9);
	add_image(VFIO_FERRY_IMAGE_FINAL, 8);
	end();
	save("initialised-anew", (struct plan) { .pieces = { 7, 0, 3, 2 } });
	begin_marked(0, 0x1234);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 17);
	add_image(VFIO_FERRY_IMAGE_FINAL, 16);
	end();
	save("no-checksums", (struct plan) { .pieces = { 5, 64 } });
}

/* The streams above are such as earlier versions of ferry write. */
static void shaped_streams(void)
{
	begin(0);
	add_shape();
	length += ferry_encode_stop_copy_size(&encoder, stream + length, 12);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 20);
	add_image(VFIO_FERRY_IMAGE_FINAL, 12);
	end();
	save("shape", (struct plan) {
		.pieces = { 190, 11 }, .refuse = 2, .flip = 4,
		.where = htole32(90), .cut = htole32(264),
	});
	begin(0);
	add_shape();
	stream[length - 1] ^= 1;
	add_image(VFIO_FERRY_IMAGE_FINAL, 12);
	end();
	save("shape-checksum", (struct plan) { 0 });
	begin(0);
	add_shape();
	add_shape();
	add_image(VFIO_FERRY_IMAGE_FINAL, 12);
	end();
	save("shape-twice", (struct plan) { 0 });
	begin(0);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 12);
	add_shape();
	add_image(VFIO_FERRY_IMAGE_FINAL, 12);
	end();
	save("shape-behind-an-image", (struct plan) { .pieces = { 3 } });
	length = 0;
	add_record(184, 1, VFIO_FERRY_TAG_SHAPE, 184);
	add_record(40, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 40);
	save("shape-without-identity", (struct plan) { 0 });
	begin(0);
	add_record(185, 1, VFIO_FERRY_TAG_SHAPE, 185);
	save("shape-too-long", (struct plan) { 0 });
}

static void plain_streams(void)
{
	length = 0;
	add_record(40, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 40);
	save("plain", (struct plan) { .limit = 255 });
	length = 0;
	add_record(8, 1, VFIO_FERRY_TAG_STOP_COPY_SIZE, 8);
	add_record(20, 1, 99, 20);
	add_record(30, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 30);
	add_record(0, 1, 100, 0);
	add_record(10, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 10);
	save("plain-pre-copy", (struct plan) { .pieces = { 5 }, .refuse = 3 });
}

/* Has what script_seal() cannot know of: a record that ferry does not write. */
static void later_record(void)
{
	struct script script;

	after_precopy();
	script_read(&script, stream, length);
	script_insert(&script, 2, 1, 4711, 77);
	script_seal(&script, SEAL_ALL);
	length = script_write(&script, stream, sizeof(stream));
	save("later-record", (struct plan) { .pieces = { 13 } });
}

/**
 * struct wrong - one value that must not be, all others being right
 * @name: of the seed
 * @index: number of the record in after_precopy()'s stream
 * @at: of the value in that record
 * @value: what it is changed to, by XOR
 * @seal: what is made right behind it
 */
struct wrong {
	const char *name;
	size_t index;
	size_t at;
	u8 value;
	unsigned int seal;
};

#define IN(type, member)	offsetof(struct vfio_ferry_##type, member)

static const struct wrong wrongs[] = {
	{ "other-version", 0, IN(identity, version), 3,
	  SEAL_ALL & ~SEAL_VERSION },
	{ "identity-checksum", 0, IN(identity, crc32c), 1,
	  SEAL_ALL & ~SEAL_IDENTITY_CRC },
	{ "image-length", 3, IN(image_check, length), 1,
	  SEAL_ALL & ~SEAL_CHECK_LENGTH },
	{ "image-order", 5, IN(image_check, sequence), 1,
	  SEAL_ALL & ~SEAL_CHECK_SEQUENCE },
	{ "image-kind-0", 3, IN(image_check, kind), 1, SEAL_ALL },
	{ "image-kind-4", 5, IN(image_check, kind), 6, SEAL_ALL },
	{ "image-checksum", 7, IN(image_check, crc32c), 0x80,
	  SEAL_ALL & ~SEAL_CHECK_CRC },
	{ "identity-mark", 0, IN(identity, mark), 1,
	  SEAL_ALL & ~SEAL_CHECK_CRC },
	{ "image-reserved", 7, IN(image_check, reserved), 1, SEAL_ALL },
	{ "total-bytes", 8, IN(end, bytes), 1, SEAL_ALL & ~SEAL_END_TOTALS },
	{ "total-images", 8, IN(end, images), 1, SEAL_ALL & ~SEAL_END_TOTALS },
	{ "records-checksum", 8, IN(end, crc32c), 1, SEAL_ALL & ~SEAL_END_CRC },
};

static void wrong_values(void)
{
	struct script script;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
		const struct wrong *wrong = &wrongs[i];

		after_precopy();
		script_read(&script, stream, length);
		script.bytes[script.records[wrong->index].at + wrong->at] ^=
			wrong->value;
		script_seal(&script, wrong->seal);
		length = script_write(&script, stream, sizeof(stream));
		save(wrong->name, (struct plan) { .pieces = { 40 } });
	}
}

/* Flags that only the rules of an identified stream refuse */
static void wrong_flags(void)
{
	struct script script;

	after_precopy();
	script_read(&script, stream, length);
	script.records[2].flags = 2;
	script_seal(&script, SEAL_ALL);
	length = script_write(&script, stream, sizeof(stream));
	save("image-flags", (struct plan) { 0 });
	script.records[2].flags = 0;
	script.records[3].flags = 3;
	script_seal(&script, SEAL_ALL);
	length = script_write(&script, stream, sizeof(stream));
	save("record-flags", (struct plan) { 0 });
	script.records[3].flags = VFIO_FERRY_RECORD_OPTIONAL;
	script.records[0].flags = 0;
	script_seal(&script, SEAL_ALL);
	length = script_write(&script, stream, sizeof(stream));
	save("identity-flags", (struct plan) { 0 });
}

static void wrong_order(void)
{
	size_t one;

	smallest();
	stream[length++] = 0;
	save("behind-the-end", (struct plan) { 0 });
	begin(0);
	add_image(VFIO_FERRY_IMAGE_INITIAL, 5);
	end();
	save("no-final-image", (struct plan) { 0 });
	begin(0);
	add_image(VFIO_FERRY_IMAGE_FINAL, 5);
	add_image(VFIO_FERRY_IMAGE_MIDDLE, 5);
	end();
	save("behind-the-final-image", (struct plan) { 0 });
	begin(0);
	end();
	save("no-image", (struct plan) { 0 });
	begin(0);
	one = length;
	memcpy(stream + one, stream, one);
	length += one;
	save("identity-twice", (struct plan) { 0 });
	after_precopy();
	length -= FERRY_WIRE_END_BYTES;
	save("no-end", (struct plan) { .pieces = { 64 } });
	length -= FERRY_WIRE_CHECK_BYTES;
	add_record(1, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 1);
	save("no-check", (struct plan) { 0 });
	length = 0;
	add_record(~0ULL, 1, 7, 60);
	save("endless", (struct plan) { .pieces = { 9 } });
	length = 0;
	add_record(6, 0, 7, 6);
	save("mandatory", (struct plan) { 0 });
	length = 0;
	add_record(41, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 41);
	save("too-long", (struct plan) { .limit = 40 });
	length = 0;
	add_record((1ULL << 32) + 1, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 20);
	save("too-long-by-32-bits", (struct plan) { .limit = 255 });
	length = 0;
	add_record(0, 0, VFIO_FERRY_TAG_FIRMWARE_DATA, 0);
	save("empty-image", (struct plan) { 0 });
	begin(0);
	add_record(24, 1, VFIO_FERRY_TAG_IMAGE, 24);
	save("check-without-image", (struct plan) { 0 });
	begin(0);
	one = length;
	memmove(stream + 16 + 3, stream, one);
	length = 0;
	add_record(3, 1, 5, 3);
	length += one;
	save("identity-second", (struct plan) { 0 });
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER, which gets the corpus\n",
			argv[0]);
		return 2;
	}
	folder = argv[1];
	good_streams();
	shaped_streams();
	plain_streams();
	later_record();
	wrong_values();
	wrong_flags();
	wrong_order();
	return 0;
}

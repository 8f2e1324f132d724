// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the migration region: each field in its width and no other,
 * the data section to its last byte, and a chunk of a save and of a resume from
 * its offer to its end. The stream, the state machine and users' memory are
 * made up.
 */
#include <kunit/test.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio_pci_core.h>

#define copy_to_user			shown_to_user
#define copy_from_user			shown_from_user
#define vm_insert_page			shown_insert
#define vm_flags_set			shown_flags
#define vfio_info_add_capability	shown_capability
#define vfio_pci_core_register_dev_region	shown_register
#define ferry_fsm_move			shown_move
#define ferry_fsm_state			shown_state
#define ferry_session_current		shown_current
#define ferry_session_put		shown_put
#define ferry_stream_lock		shown_lock
#define ferry_stream_unlock		shown_unlock
#define ferry_stream_read		shown_read
#define ferry_stream_write		shown_write
#define ferry_stream_at_end		shown_at_end
#define ferry_estimate_precopy		shown_precopy
#define ferry_estimate_final		shown_final
#define ferry_region_add		shown_add
#ifdef CONFIG_VFIO_FERRY_FAULTS
#define ferry_fault_hit			shown_fault
#endif

static unsigned long shown_to_user(void __user *to, const void *from, size_t bytes);
static unsigned long shown_from_user(void *to, const void __user *from, size_t bytes);
static int shown_insert(struct vm_area_struct *vma, unsigned long address, struct page *page);
static void shown_flags(struct vm_area_struct *vma, unsigned long flags);
static int shown_capability(struct vfio_info_cap *caps, struct vfio_info_cap_header *cap,
			    size_t size);
static int shown_register(struct vfio_pci_core_device *core, unsigned int type,
			  unsigned int subtype, const struct vfio_pci_regops *ops,
			  size_t size, u32 flags, void *data);

#include "../region.c"

#define AT_SECTION	PAGE_SIZE
#define MOST		SECTION_PAGES

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct ferry_session session;
	struct vfio_pci_region pci_region;
	enum vfio_device_mig_state goal;
	unsigned int moves, puts, locks, frees, inserted;
	int move_err, lock_err, precopy_err, insert_err, register_err;
	bool no_memory, at_end, no_session;
	u64 initial, dirty, final;
	ssize_t gives[4];		/* what reads give, or writes take, in turn */
	unsigned int nr;
	u8 next;			/* byte of the stream */
	size_t wrong;
	struct page *pages[MOST];
	unsigned long addresses[MOST];
	u64 area[2];
};

static struct fixture *the_fixture;
static size_t user_fails_after;		/* bytes of one copy */

static unsigned long shown_to_user(void __user *to, const void *from, size_t bytes)
{
	size_t good = min(bytes, user_fails_after);

	memcpy((__force void *)to, from, good);
	return bytes - good;
}

static unsigned long shown_from_user(void *to, const void __user *from, size_t bytes)
{
	size_t good = min(bytes, user_fails_after);

	memcpy(to, (__force const void *)from, good);
	return bytes - good;
}

static int shown_insert(struct vm_area_struct *vma, unsigned long address, struct page *page)
{
	struct fixture *f = the_fixture;

	if (f->insert_err && f->inserted == 2)
		return f->insert_err;
	f->addresses[f->inserted] = address;
	f->pages[f->inserted++] = page;
	return 0;
}

static void shown_flags(struct vm_area_struct *vma, unsigned long flags)
{
	the_fixture->wrong += flags != (VM_DONTEXPAND | VM_DONTDUMP);
}

static int shown_capability(struct vfio_info_cap *caps, struct vfio_info_cap_header *cap,
			    size_t size)
{
	struct vfio_region_info_cap_sparse_mmap *sparse =
		container_of(cap, struct vfio_region_info_cap_sparse_mmap, header);
	struct fixture *f = the_fixture;

	f->wrong += cap->id != VFIO_REGION_INFO_CAP_SPARSE_MMAP || cap->version != 1 ||
		    sparse->nr_areas != 1 || size != struct_size(sparse, areas, 1);
	f->area[0] = sparse->areas[0].offset;
	f->area[1] = sparse->areas[0].size;
	return 0;
}

static int shown_register(struct vfio_pci_core_device *core, unsigned int type,
			  unsigned int subtype, const struct vfio_pci_regops *ops,
			  size_t size, u32 flags, void *data)
{
	struct fixture *f = the_fixture;

	if (f->register_err)
		return f->register_err;
	f->pci_region = (struct vfio_pci_region) {
		.type = type, .subtype = subtype, .ops = ops, .size = size, .flags = flags,
		.data = data,
	};
	core->region = &f->pci_region;
	return 0;
}

int shown_fault(struct ferry_fault *fault, enum ferry_fault_site site)
{
	return site == FERRY_FAULT_REGION && the_fixture->no_memory ? -EIO : 0;
}

int shown_move(struct ferry_vf *vf, enum vfio_device_mig_state goal)
{
	struct fixture *f = container_of(vf, struct fixture, vf);

	f->goal = goal;
	f->moves++;
	return f->move_err;
}

enum vfio_device_mig_state shown_state(struct ferry_vf *vf)
{
	return vf->state;
}

struct ferry_session *shown_current(struct ferry_vf *vf)
{
	struct fixture *f = container_of(vf, struct fixture, vf);

	if (f->no_session)
		return NULL;
	f->puts--;
	return &f->session;
}

void shown_put(struct ferry_session *session)
{
	container_of(session, struct fixture, session)->puts++;
}

int shown_lock(struct ferry_stream *stream, bool nonblock)
{
	struct fixture *f = container_of(stream, struct fixture, session.stream);

	if (f->lock_err)
		return f->lock_err;
	f->wrong += nonblock;
	mutex_lock(&stream->mutex);
	return 0;
}

void shown_unlock(struct ferry_stream *stream)
{
	mutex_unlock(&stream->mutex);
}

static ssize_t next_gift(struct fixture *f)
{
	return f->gives[f->nr++ % ARRAY_SIZE(f->gives)];
}

ssize_t shown_read(struct ferry_session *session, struct iov_iter *to, bool nonblock)
{
	struct fixture *f = container_of(session, struct fixture, session);
	ssize_t bytes = next_gift(f);

	f->wrong += nonblock || iov_iter_count(to) != SECTION_BYTES;
	for (ssize_t i = 0; i < bytes; i++, f->next++)
		f->wrong += copy_to_iter(&f->next, 1, to) != 1;
	return bytes;
}

ssize_t shown_write(struct ferry_session *session, struct iov_iter *from, bool nonblock)
{
	struct fixture *f = container_of(session, struct fixture, session);
	ssize_t bytes = next_gift(f);
	u8 byte;

	f->wrong += nonblock;
	if (bytes > 0)
		bytes = min_t(ssize_t, bytes, iov_iter_count(from));
	for (ssize_t i = 0; i < bytes; i++, f->next++)
		f->wrong += copy_from_iter(&byte, 1, from) != 1 || byte != f->next;
	return bytes;
}

bool shown_at_end(struct ferry_session *session)
{
	return container_of(session, struct fixture, session)->at_end;
}

int shown_precopy(struct ferry_session *session, struct vfio_precopy_info *info)
{
	struct fixture *f = container_of(session, struct fixture, session);

	info->initial_bytes = f->initial;
	info->dirty_bytes = f->dirty;
	return f->precopy_err;
}

u64 shown_final(struct ferry_session *session)
{
	return container_of(session, struct fixture, session)->final;
}

static struct fixture *fixture_of(struct kunit *test, bool writes)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	the_fixture = f;
	user_fails_after = SIZE_MAX;
	f->vf.device = &f->device;
	f->vf.state = VFIO_DEVICE_STATE_RUNNING;
	f->session.protocol = FERRY_PROTOCOL_REGION;
	f->session.stream.writes = writes;
	mutex_init(&f->session.stream.mutex);
	KUNIT_ASSERT_EQ(test, shown_add(&f->vf), 0);
	return f;
}

static void end(struct kunit *test, struct fixture *f)
{
	f->pci_region.ops->release(&f->device.core, &f->pci_region);
	KUNIT_EXPECT_EQ(test, f->wrong, 0);
	KUNIT_EXPECT_EQ(test, f->puts, 0);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&f->session.stream.mutex));
}

static ssize_t rw(struct fixture *f, void *memory, size_t count, u64 offset, bool iswrite)
{
	loff_t begin = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_NUM_REGIONS) + offset, position = begin;
	ssize_t done = f->pci_region.ops->rw(&f->device.core, (__force char __user *)memory, count,
					     &position, iswrite);

	f->wrong += position != begin + max_t(ssize_t, done, 0);
	return done;
}

static int map(struct fixture *f, struct vm_area_struct *vma)
{
	return f->pci_region.ops->mmap(&f->device.core, &f->pci_region, vma);
}

static ssize_t get(struct fixture *f, size_t offset, void *value)
{
	return rw(f, value, offset < 8 ? 4 : 8, offset, false);
}

static ssize_t set(struct fixture *f, size_t offset, u64 value)
{
	return rw(f, &value, offset < 8 ? 4 : 8, offset, true);
}

#define GET(f, name, value)	get(f, AT(name), value)
#define SET(f, name, value)	set(f, AT(name), value)

static void a_region_is_registered(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);

	KUNIT_EXPECT_EQ(test, f->pci_region.type, VFIO_REGION_TYPE_MIGRATION_DEPRECATED);
	KUNIT_EXPECT_EQ(test, f->pci_region.subtype, VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED);
	KUNIT_EXPECT_EQ(test, f->pci_region.size, AT_SECTION + SZ_1M);
	KUNIT_EXPECT_EQ(test, f->pci_region.flags, VFIO_REGION_INFO_FLAG_READ |
			VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP);
	KUNIT_EXPECT_EQ(test, f->pci_region.ops->add_capability(&f->device.core, &f->pci_region,
								NULL), 0);
	KUNIT_EXPECT_EQ(test, f->area[0], AT_SECTION);
	KUNIT_EXPECT_EQ(test, f->area[1], SZ_1M);
	f->register_err = -ENOMEM;
	KUNIT_EXPECT_EQ(test, shown_add(&f->vf), -ENOMEM);
	end(test, f);
}

static void states_are_bits(struct kunit *test)
{
	static const struct {
		enum vfio_device_mig_state state;
		u32 bits;
		bool goal;
	} states[] = {
		{ VFIO_DEVICE_STATE_STOP, 0, true },
		{ VFIO_DEVICE_STATE_RUNNING, 1, true },
		{ VFIO_DEVICE_STATE_STOP_COPY, 2, true },
		{ VFIO_DEVICE_STATE_PRE_COPY, 3, true },
		{ VFIO_DEVICE_STATE_RESUMING, 4, true },
		{ VFIO_DEVICE_STATE_RUNNING_P2P, 1, false },
		{ VFIO_DEVICE_STATE_PRE_COPY_P2P, 3, false },
		{ VFIO_DEVICE_STATE_ERROR, 6, false },
	};
	struct fixture *f = fixture_of(test, false);
	u32 bits;

	for (int i = 0; i < ARRAY_SIZE(states); i++) {
		f->vf.state = states[i].state;
		KUNIT_EXPECT_EQ(test, GET(f, device_state, &bits), 4);
		KUNIT_EXPECT_EQ(test, bits, states[i].bits);
		if (!states[i].goal)
			continue;
		KUNIT_EXPECT_EQ(test, SET(f, device_state, bits), 4);
		KUNIT_EXPECT_EQ(test, f->goal, states[i].state);
	}
	KUNIT_EXPECT_EQ(test, f->moves, 5);
	for (bits = 5; bits < 40; bits += bits == 7 ? 25 : 1)
		KUNIT_EXPECT_EQ(test, SET(f, device_state, bits), -EINVAL);
	KUNIT_EXPECT_EQ(test, f->moves, 5);
	f->move_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, SET(f, device_state, 1), -EBUSY);
	end(test, f);
}

static void a_field_is_accessed_as_a_whole(struct kunit *test)
{
	static const struct { size_t offset, width; } fields[] = {
		{ 0, 4 }, { 4, 4 }, { 8, 8 }, { 16, 8 }, { 24, 8 },
	};
	struct fixture *f = fixture_of(test, false);
	u64 value[2];

	for (size_t offset = 0; offset < 40; offset++) {
		for (size_t width = 1; width <= 16; width++) {
			bool field = false;

			for (int i = 0; i < ARRAY_SIZE(fields); i++)
				field |= fields[i].offset == offset && fields[i].width == width;
			if (field)
				continue;
			KUNIT_ASSERT_EQ(test, rw(f, value, width, offset, false), -EINVAL);
			KUNIT_ASSERT_EQ(test, rw(f, value, width, offset, true), -EINVAL);
		}
	}
	memset(value, 0xff, sizeof(value));
	KUNIT_EXPECT_EQ(test, GET(f, reserved, value), 4);
	KUNIT_EXPECT_EQ(test, value[0], 0xffffffff00000000);
	KUNIT_EXPECT_EQ(test, SET(f, reserved, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, SET(f, pending_bytes, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, SET(f, data_offset, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, f->moves, 0);
	user_fails_after = 3;
	KUNIT_EXPECT_EQ(test, GET(f, device_state, value), -EFAULT);
	KUNIT_EXPECT_EQ(test, SET(f, device_state, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, f->moves, 0);
	end(test, f);
}

static void the_section_is_memory(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	u8 *out = kunit_kzalloc(test, SZ_16K, GFP_KERNEL);
	u8 *in = kunit_kzalloc(test, SZ_16K, GFP_KERNEL);

	for (int i = 0; i < SZ_16K; i++)
		in[i] = i * 7 + i / 256;
	KUNIT_EXPECT_EQ(test, rw(f, out, SZ_16K, AT_SECTION, false), SZ_16K);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(out, 0, SZ_16K), NULL);
	KUNIT_EXPECT_EQ(test, rw(f, in, SZ_8K + 100, AT_SECTION + SZ_4K - 50, true), SZ_8K + 100);
	KUNIT_EXPECT_EQ(test, rw(f, out, SZ_16K, AT_SECTION, false), SZ_16K);
	KUNIT_EXPECT_EQ(test, memcmp(out + SZ_4K - 50, in, SZ_8K + 100), 0);
	KUNIT_EXPECT_EQ(test, out[SZ_4K - 51], 0);
	KUNIT_EXPECT_EQ(test, out[SZ_4K - 50 + SZ_8K + 100], 0);
	KUNIT_EXPECT_EQ(test, rw(f, out, SZ_16K, AT_SECTION + SZ_1M - 10, false), 10);
	KUNIT_EXPECT_EQ(test, rw(f, out, 1, AT_SECTION + SZ_1M, false), -EINVAL);
	/* As far as the user's memory goes */
	user_fails_after = SZ_1K;
	KUNIT_EXPECT_EQ(test, rw(f, out, SZ_8K, AT_SECTION, false), SZ_1K);
	KUNIT_EXPECT_EQ(test, rw(f, in, SZ_8K, AT_SECTION + SZ_4K - 1000, true), 1000 + SZ_1K);
	user_fails_after = 0;
	KUNIT_EXPECT_EQ(test, rw(f, out, SZ_8K, AT_SECTION, false), -EFAULT);
	end(test, f);
}

static void a_save_is_read_in_chunks(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	u8 *out = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	u64 value, at = 0;

	f->initial = 1000;
	f->dirty = 500;
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -EINVAL);
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 1500);
	f->gives[0] = 600;
	f->gives[1] = 77;
	for (int chunk = 0; chunk < 2; chunk++) {
		u64 bytes = f->gives[chunk];

		for (int again = 0; again < 2; again++) {
			KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), 8);
			KUNIT_EXPECT_EQ(test, value, AT_SECTION);
			/* what is in the section is still to come for who has not taken it */
			KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
			KUNIT_EXPECT_EQ(test, value, 1500 + bytes);
			KUNIT_EXPECT_EQ(test, f->nr, chunk + 1);
		}
		KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), 8);
		KUNIT_EXPECT_EQ(test, value, bytes);
		KUNIT_EXPECT_EQ(test, SET(f, data_size, 1), -EINVAL);
		KUNIT_EXPECT_EQ(test, rw(f, out, bytes, AT_SECTION, false), bytes);
		for (u64 i = 0; i < bytes; i++)
			KUNIT_ASSERT_EQ(test, out[i], (u8)(at + i));
		at += bytes;
		KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
		KUNIT_EXPECT_EQ(test, value, 1500);
	}
	end(test, f);
}

/* At a temporary end a chunk is empty, and the next look makes another. */
static void a_chunk_may_be_empty(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	u64 value;

	f->gives[0] = -ENOMSG;
	f->gives[1] = -ENOMSG;
	f->gives[2] = 9;
	f->gives[3] = -EIO;
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), 8);
		KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), 8);
		KUNIT_EXPECT_EQ(test, value, i == 2 ? 9 : 0);
	}
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), -EIO);
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -EINVAL);
	end(test, f);
}

static void what_is_pending_ends_with_the_stream(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	u64 value = 1;

	f->precopy_err = -EINVAL;
	f->initial = 5;
	f->final = 700;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 700);
	f->final = 0;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 1);
	f->final = 700;
	f->at_end = true;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 0);
	f->precopy_err = -ENODEV;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), -ENODEV);
	f->precopy_err = 0;
	f->lock_err = -ERESTARTSYS;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), -ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), -ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -ERESTARTSYS);
	end(test, f);
}

static void without_a_session_there_is_nothing(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	u64 value = 1;

	f->no_session = true;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), -EINVAL);
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -EINVAL);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, 1), -EINVAL);
	/* One of the other protocol is not looked into. */
	f->no_session = false;
	f->session.protocol = FERRY_PROTOCOL_FD;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), -EBUSY);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), -EBUSY);
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -EBUSY);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, 1), -EBUSY);
	end(test, f);
}

static void a_resume_is_written_in_chunks(struct kunit *test)
{
	struct fixture *f = fixture_of(test, true);
	u8 *in = kunit_kzalloc(test, SZ_8K, GFP_KERNEL);
	u64 value = 1;

	for (int i = 0; i < SZ_8K; i++)
		in[i] = i;
	KUNIT_EXPECT_EQ(test, GET(f, pending_bytes, &value), 8);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, 10), -EINVAL);
	KUNIT_EXPECT_EQ(test, GET(f, data_size, &value), -EINVAL);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), 8);
	KUNIT_EXPECT_EQ(test, value, AT_SECTION);
	KUNIT_EXPECT_EQ(test, rw(f, in, SZ_8K, AT_SECTION, true), SZ_8K);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, SZ_1M + 1), -EINVAL);
	/* Some, then an interruption: the rest comes with the same write, and no other. */
	f->gives[0] = 3000;
	f->gives[1] = -ERESTARTSYS;
	f->gives[2] = 1000;
	f->gives[3] = 4192;
	KUNIT_EXPECT_EQ(test, SET(f, data_size, SZ_8K), -ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, f->nr, 2);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), 8);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, SZ_8K), 8);
	KUNIT_EXPECT_EQ(test, f->nr, 4);
	KUNIT_EXPECT_EQ(test, f->session.chunk.state, FERRY_CHUNK_NONE);
	/* It is gone. */
	KUNIT_EXPECT_EQ(test, rw(f, in, SZ_8K, AT_SECTION, false), SZ_8K);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(in, 0, SZ_8K), NULL);
	KUNIT_EXPECT_EQ(test, SET(f, data_size, SZ_8K), -EINVAL);
	end(test, f);
}

static void the_section_is_mapped(struct kunit *test)
{
	static const struct { unsigned long first, pages; int err; } maps[] = {
		{ 1, SECTION_PAGES, 0 }, { 3, 2, 0 }, { SECTION_PAGES, 1, 0 },
		{ 0, 1, -EINVAL }, { 1, SECTION_PAGES + 1, -EINVAL },
		{ SECTION_PAGES, 2, -EINVAL }, { SECTION_PAGES + 1, 1, -EINVAL },
	};
	struct fixture *f = fixture_of(test, false);
	struct ferry_region *region = f->pci_region.data;

	for (int i = 0; i < ARRAY_SIZE(maps); i++) {
		struct vm_area_struct *vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);

		vma->vm_start = SZ_2M;
		vma->vm_end = SZ_2M + maps[i].pages * PAGE_SIZE;
		vma->vm_pgoff = (VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_NUM_REGIONS) >> PAGE_SHIFT) +
				maps[i].first;
		f->inserted = 0;
		KUNIT_EXPECT_EQ(test, map(f, vma), maps[i].err);
		KUNIT_EXPECT_EQ(test, f->inserted, maps[i].err ? 0 : maps[i].pages);
		for (unsigned int k = 0; k < f->inserted; k++) {
			KUNIT_ASSERT_EQ(test, f->addresses[k], SZ_2M + k * PAGE_SIZE);
			KUNIT_ASSERT_PTR_EQ(test, f->pages[k],
					    region->section[maps[i].first - 1 + k].bv_page);
		}
		f->inserted = 0;
		f->insert_err = -ENOMEM;
		if (!maps[i].err && maps[i].pages > 2)
			KUNIT_EXPECT_EQ(test, map(f, vma), -ENOMEM);
		f->insert_err = 0;
	}
	end(test, f);
}

#ifdef CONFIG_VFIO_FERRY_FAULTS
static void without_memory_there_is_no_section(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	struct vm_area_struct *vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	u64 value;

	f->no_memory = true;
	vma->vm_end = PAGE_SIZE;
	vma->vm_pgoff = 1;
	KUNIT_EXPECT_EQ(test, map(f, vma), -ENOMEM);
	KUNIT_EXPECT_EQ(test, rw(f, &value, 8, AT_SECTION, false), -ENOMEM);
	KUNIT_EXPECT_EQ(test, GET(f, data_offset, &value), -ENOMEM);
	f->session.stream.writes = true;
	f->session.chunk.state = FERRY_CHUNK_OFFERED;
	KUNIT_EXPECT_EQ(test, SET(f, data_size, 8), -ENOMEM);
	f->no_memory = false;
	KUNIT_EXPECT_EQ(test, rw(f, &value, 8, AT_SECTION, false), 8);
	end(test, f);
}
#endif

static struct kunit_case region_cases[] = {
	KUNIT_CASE(a_region_is_registered),
	KUNIT_CASE(states_are_bits),
	KUNIT_CASE(a_field_is_accessed_as_a_whole),
	KUNIT_CASE(the_section_is_memory),
	KUNIT_CASE(a_save_is_read_in_chunks),
	KUNIT_CASE(a_chunk_may_be_empty),
	KUNIT_CASE(what_is_pending_ends_with_the_stream),
	KUNIT_CASE(without_a_session_there_is_nothing),
	KUNIT_CASE(a_resume_is_written_in_chunks),
	KUNIT_CASE(the_section_is_mapped),
#ifdef CONFIG_VFIO_FERRY_FAULTS
	KUNIT_CASE(without_memory_there_is_no_section),
#endif
	{}
};

static struct kunit_suite region_suite = {
	.name = "ferry-region",
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);

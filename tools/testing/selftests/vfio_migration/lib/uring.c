// SPDX-License-Identifier: GPL-2.0-only
/* io_uring by its system calls alone. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/stddef.h>
#include <linux/io_uring.h>

#include <libvfio.h>
#include <libmigration.h>

#define ENTRIES 4
/* Room for both rings and for the entries, whatever their layout. */
#define MAP_SIZE 4096

static void *map(int fd, u64 what)
{
	void *at =
		mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	VFIO_ASSERT_NE(at, MAP_FAILED);
	return at;
}

int __mig_uring_open(struct mig_uring *ring)
{
	struct io_uring_params params = { };

	ring->fd = syscall(__NR_io_uring_setup, ENTRIES, &params);
	if (ring->fd < 0)
		return -errno;
	/* Since 5.4; the same mapping holds both rings. */
	VFIO_ASSERT_TRUE(params.features & IORING_FEAT_SINGLE_MMAP);
	ring->rings = map(ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = map(ring->fd, IORING_OFF_SQES);
	ring->cqes = ring->rings + params.cq_off.cqes;
	ring->sq_tail = ring->rings + params.sq_off.tail;
	ring->cq_head = ring->rings + params.cq_off.head;
	ring->cq_tail = ring->rings + params.cq_off.tail;
	ring->sq_mask = params.sq_entries - 1;
	ring->cq_mask = params.cq_entries - 1;
	/* Entry n is always in place n. */
	for (u32 i = 0; i < params.sq_entries; i++)
		((u32 *)(ring->rings + params.sq_off.array))[i] = i;
	return 0;
}

void mig_uring_close(struct mig_uring *ring)
{
	munmap(ring->sqes, MAP_SIZE);
	munmap(ring->rings, MAP_SIZE);
	close(ring->fd);
}

ssize_t mig_uring_move(struct mig_uring *ring, bool writes, int fd, void *data, size_t len)
{
	unsigned int tail = *ring->sq_tail, head = *ring->cq_head;
	ssize_t result;

	ring->sqes[tail & ring->sq_mask] = (struct io_uring_sqe){
		.opcode = writes ? IORING_OP_WRITE : IORING_OP_READ,
		.fd = fd,
		.addr = (u64)data,
		.len = len,
		.off = -1,
	};
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	VFIO_ASSERT_EQ(syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL,
			       0), 1);
	VFIO_ASSERT_NE(__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE), head);
	result = ring->cqes[head & ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);

	return result;
}

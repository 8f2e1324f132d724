# The library of the migration tests, on top of libvfio.

LIBMIGRATION_SRCDIR := $(dir $(lastword $(MAKEFILE_LIST)))

LIBMIGRATION_C := attempt.c
LIBMIGRATION_C += binding.c
LIBMIGRATION_C += device.c
LIBMIGRATION_C += dma.c
LIBMIGRATION_C += dma_logging.c
LIBMIGRATION_C += ending.c
LIBMIGRATION_C += feature.c
LIBMIGRATION_C += fixture.c
LIBMIGRATION_C += format.c
LIBMIGRATION_C += mdev.c
LIBMIGRATION_C += mutation.c
LIBMIGRATION_C += state.c
LIBMIGRATION_C += stream.c
LIBMIGRATION_C += transfer.c
LIBMIGRATION_C += uring.c
LIBMIGRATION_C += workload.c
LIBMIGRATION_C += $(patsubst $(LIBMIGRATION_SRCDIR)%,%,$(wildcard $(LIBMIGRATION_SRCDIR)workloads/*.c))
LIBMIGRATION_C += $(patsubst $(LIBMIGRATION_SRCDIR)%,%,$(wildcard $(LIBMIGRATION_SRCDIR)formats/*.c))

LIBMIGRATION_OUTPUT := $(OUTPUT)/libmigration

LIBMIGRATION_O := $(patsubst %.c,$(LIBMIGRATION_OUTPUT)/%.o,$(LIBMIGRATION_C))
# Workloads of devices that only the builder knows: C files, in WORKLOADS=.
LIBMIGRATION_O += $(patsubst %.c,$(LIBMIGRATION_OUTPUT)/elsewhere/%.o,$(notdir $(WORKLOADS)))

CFLAGS += -I$(LIBMIGRATION_SRCDIR)include

$(LIBMIGRATION_OUTPUT)/%.o: $(LIBMIGRATION_SRCDIR)%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c $< -o $@

vpath %.c $(sort $(dir $(WORKLOADS)))
$(LIBMIGRATION_OUTPUT)/elsewhere/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c $< -o $@

EXTRA_CLEAN += $(LIBMIGRATION_OUTPUT)

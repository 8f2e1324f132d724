// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest of the nested VMs: a program on a bare PC that uses a VF of the
 * model and tells over the serial port how that goes. It has no operating
 * system, because under emulation inside emulation one would take minutes to
 * boot. QEMU loads it with -kernel (multiboot).
 *
 * It obeys letters, and answers each with one line; see commands[]. A hundred
 * times a second a timer wakes it, and it counts that: a guest that was
 * restarted, or that stands still, shows. nested/vmm.py is the other end.
 */
#include <stdbool.h>
#include <stdint.h>

#include "../../connectx/lab.h"

#define VENDOR_DEVICE   0x101e15b3      /* a VF of the ConnectX family */
#define SEED            0x5eed
#define PAGE            4096
#define SLOTS           256             /* pages of the ring that the VF writes to, one count each */
#define CHANGES         120000          /* pages that the workload changes before it is done */
#define SLOW            200             /* changes, DMA writes a second, while the VF moves */
#define FAST            4000000
#define IRQ_RATE        50

/* ---- the machine ---- */

__asm__(".section .multiboot, \"a\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".text\n"
        ".globl _start\n"
        "_start:\n"
        "   cli\n"
        "   mov $stack_top, %esp\n"
        "   mov %cr0, %eax\n"           /* SSE, for accesses of 64 bits */
        "   and $~0xc, %eax\n"
        "   or $2, %eax\n"
        "   mov %eax, %cr0\n"
        "   mov %cr4, %eax\n"
        "   or $0x600, %eax\n"
        "   mov %eax, %cr4\n"
        "   call run\n"
        ".section .note.GNU-stack, \"\", @progbits\n"
        ".bss\n"
        ".balign 16\n"
        ".space 16384\n"
        "stack_top:\n"
        ".text\n");

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* ---- the serial port ---- */

#define COM1            0x3f8
#define COM1_STATUS     (COM1 + 5)

static void put(char c)
{
    while (!(in8(COM1_STATUS) & 0x20))
        ;
    out8(COM1, c);
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

/* A space, a name, an equals sign and the number in hexadecimal. */
static void say_number(const char *name, uint64_t value)
{
    int shift = 60;

    put(' ');
    say(name);
    put('=');
    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[(value >> shift) & 15]);
}

static bool heard(char *letter)
{
    if (!(in8(COM1_STATUS) & 1))
        return false;
    *letter = in8(COM1);
    return true;
}

/* ---- interrupts: the local APIC's timer and the VF's first vector ---- */

#define APIC            0xfee00000u
#define APIC_EOI        0x0b0
#define APIC_SPURIOUS   0x0f0
#define APIC_TIMER      0x320
#define APIC_INITIAL    0x380
#define APIC_DIVIDE     0x3e0
#define TIMER_VECTOR    0x40
#define VF_VECTOR       0x41
#define SPURIOUS_VECTOR 0xff
#define TICK            10000000        /* QEMU's APIC counts nanoseconds: 100 Hz */

struct frame;

static volatile uint64_t beats, irqs;

static volatile uint32_t *apic(unsigned reg)
{
    return (volatile uint32_t *)(APIC + reg);
}

__attribute__((interrupt)) static void on_timer(struct frame *f)
{
    (void)f;
    beats++;
    *apic(APIC_EOI) = 0;
}

__attribute__((interrupt)) static void on_vf(struct frame *f)
{
    (void)f;
    irqs++;
    *apic(APIC_EOI) = 0;
}

__attribute__((interrupt)) static void on_spurious(struct frame *f)
{
    (void)f;
}

struct gate {
    uint16_t low, selector, flags, high;
} __attribute__((packed));

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

static struct gate gates[256];
static const uint64_t segments[] = { 0, 0x00cf9a000000ffff, 0x00cf92000000ffff };

static void set_gate(unsigned vector, void (*handler)(struct frame *))
{
    uint32_t address = (uint32_t)handler;

    gates[vector] = (struct gate){ address & 0xffff, 8, 0x8e00, address >> 16 };
}

static void enable_interrupts(void)
{
    struct table gdt = { sizeof(segments) - 1, (uint32_t)segments };
    struct table idt = { sizeof(gates) - 1, (uint32_t)gates };

    __asm__ volatile("lgdt %0\n ljmp $8, $1f\n 1: mov %1, %%ds\n mov %1, %%es\n mov %1, %%ss\n lidt %2"
                     : : "m"(gdt), "r"(16), "m"(idt) : "memory");
    out8(0x21, 0xff);                   /* not the old interrupt controllers */
    out8(0xa1, 0xff);
    set_gate(TIMER_VECTOR, on_timer);
    set_gate(VF_VECTOR, on_vf);
    set_gate(SPURIOUS_VECTOR, on_spurious);
    *apic(APIC_SPURIOUS) = 0x100 | SPURIOUS_VECTOR;
    *apic(APIC_DIVIDE) = 0xb;           /* by one */
    *apic(APIC_TIMER) = 0x20000 | TIMER_VECTOR;
    *apic(APIC_INITIAL) = TICK;
    __asm__ volatile("sti");
}

/* ---- the VF on the PCI bus ---- */

#define CFG_COMMAND     0x04
#define CFG_BAR0        0x10
#define CFG_BAR2        0x18
#define CFG_CAPS        0x34
#define CAP_MSIX        0x11
#define CAP_MSIX_TABLE  4
#define COMMAND_MEMORY  2
#define COMMAND_MASTER  4
#define BAR_LOW         0xfffffff0u

static unsigned vf_slot;
static volatile uint8_t *bar0, *bar2;

static void cfg_select(unsigned reg)
{
    out32(0xcf8, 0x80000000u | vf_slot << 11 | (reg & ~3u));
}

static uint32_t cfg_read(unsigned reg)
{
    cfg_select(reg);
    return in32(0xcfc);
}

static void cfg_write(unsigned reg, uint32_t value)
{
    cfg_select(reg);
    out32(0xcfc, value);
}

static bool find_vf(void)
{
    for (vf_slot = 0; vf_slot < 32; vf_slot++)
        if (cfg_read(0) == VENDOR_DEVICE)
            return true;
    return false;
}

static volatile uint8_t *bar(unsigned reg)
{
    return cfg_read(reg + 4) ? 0 : (volatile uint8_t *)(cfg_read(reg) & BAR_LOW);
}

static unsigned msix_capability(void)
{
    unsigned at = cfg_read(CFG_CAPS) & 0xfc;

    while (at && (cfg_read(at) & 0xff) != CAP_MSIX)
        at = (cfg_read(at) >> 8) & 0xfc;
    return at;
}

static bool enable_vf(void)
{
    unsigned msix = msix_capability();
    volatile uint32_t *vector;
    uint32_t table;

    bar0 = bar(CFG_BAR0);
    bar2 = bar(CFG_BAR2);
    if (!bar0 || !bar2 || !msix)
        return false;
    cfg_write(CFG_COMMAND, cfg_read(CFG_COMMAND) | COMMAND_MEMORY | COMMAND_MASTER);
    table = cfg_read(msix + CAP_MSIX_TABLE);        /* not always where the device has it: x-msix-relocation */
    vector = (volatile uint32_t *)(bar(CFG_BAR0 + 4 * (table & 7)) + (table & ~7u));
    vector[0] = APIC;
    vector[1] = 0;
    vector[2] = VF_VECTOR;
    vector[3] = 0;
    cfg_write(msix, cfg_read(msix) | 0x80000000u);
    return true;
}

/* ---- its workload; a register is 64 bits, in one access ---- */

static uint64_t rd(unsigned reg)
{
    uint64_t value;

    __asm__ volatile("movq %1, %%xmm0\n movq %%xmm0, %0"
                     : "=m"(value) : "m"(*(volatile uint64_t *)(bar2 + BAR2_WORKLOAD + reg)));
    return value;
}

static void wr(unsigned reg, uint64_t value)
{
    __asm__ volatile("movq %1, %%xmm0\n movq %%xmm0, %0"
                     : "=m"(*(volatile uint64_t *)(bar2 + BAR2_WORKLOAD + reg)) : "m"(value) : "memory");
}

static void pause(void)
{
    __asm__ volatile("hlt");
}

static void fill(void)
{
    wr(WL_MEM_RATE, 0);
    wr(WL_FILL_START, 0);
    wr(WL_FILL_LEN, rd(WL_STATE_SIZE));
    wr(WL_FILL_SEED, SEED);
    wr(WL_FILL, 1);
    while (rd(WL_FILL))
        pause();
    wr(WL_MEM_START, 0);
    wr(WL_MEM_LEN, rd(WL_STATE_SIZE));
    wr(WL_MEM_LIMIT, CHANGES);
    wr(WL_MEM_COUNT, 0);
}

static uint64_t checksum_when_done(void)
{
    wr(WL_MEM_RATE, FAST);
    while (rd(WL_MEM_COUNT) < CHANGES)
        pause();
    wr(WL_MEM_RATE, 0);
    wr(WL_SUM, 1);
    while (rd(WL_SUM))
        pause();
    return rd(WL_SUM_VALUE);
}

/* ---- what it writes to the guest's memory ---- */

static volatile uint64_t ring[SLOTS][PAGE / 8] __attribute__((aligned(PAGE)));

static void clear_ring(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        ring[i][0] = 0;
}

/* Write n (from 0) leaves n + 1 in slot n modulo SLOTS. */
static uint64_t expected(unsigned slot, uint64_t count)
{
    uint64_t behind = (uint32_t)(count - 1 - slot) % SLOTS;

    return count > behind ? count - behind : 0;
}

/* ---- commands ---- */

static void no_number(void)
{
    put('\n');
}

/* What device memory holds when all changes were made without a move. */
static void reference(void)
{
    fill();
    say_number("sum", checksum_when_done());
}

/* The same again, but slowly: a VF has time to move meanwhile. One lap of the ring, and interrupts. */
static void start(void)
{
    fill();
    wr(WL_MEM_RATE, SLOW);
    clear_ring();
    wr(WL_DMA_RATE, 0);
    wr(WL_DMA_IOVA, (uint32_t)ring);
    wr(WL_DMA_LEN, sizeof(ring));
    wr(WL_DMA_STRIDE, PAGE);
    wr(WL_DMA_COUNT, 0);
    wr(WL_DMA_LIMIT, SLOTS);
    wr(WL_DMA_RATE, SLOW);
    while (rd(WL_DMA_COUNT) < SLOTS)
        pause();
    wr(WL_IRQ_VECTOR, 0);
    wr(WL_IRQ_RATE, IRQ_RATE);
}

/* Device memory stands still from here on. */
static void rest(void)
{
    wr(WL_MEM_RATE, 0);
    say_number("mem", rd(WL_MEM_COUNT));
}

static void change(void)
{
    wr(WL_MEM_RATE, SLOW);
}

/* Two thirds of a lap more, then no DMA. */
static void lap(void)
{
    uint64_t limit = rd(WL_DMA_COUNT) + SLOTS * 2 / 3;

    wr(WL_DMA_LIMIT, limit);
    wr(WL_DMA_RATE, SLOW);
    while (rd(WL_DMA_COUNT) < limit)
        pause();
    say_number("dma", rd(WL_DMA_COUNT));
}

/* DMA without an end. */
static void go(void)
{
    wr(WL_DMA_LIMIT, 0);
    wr(WL_DMA_RATE, SLOW);
}

/* Stops DMA, and looks at each slot of the ring. */
static void verify(void)
{
    uint64_t count;

    wr(WL_DMA_RATE, 0);
    count = rd(WL_DMA_COUNT);
    say_number("dma", count);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (ring[slot][0] != expected(slot, count)) {
            say_number("bad", slot);
            say_number("found", ring[slot][0]);
            say_number("expected", expected(slot, count));
            return;
        }
    }
    say_number("good", SLOTS);
}

static void finish(void)
{
    say_number("mem", rd(WL_MEM_COUNT));
    say_number("sum", checksum_when_done());
}

static void beat(void)
{
    say_number("beats", beats);
    say_number("irqs", irqs);
    say_number("mem", rd(WL_MEM_COUNT));
    say_number("dma", rd(WL_DMA_COUNT));
    say_number("errors", rd(WL_DMA_ERRORS));
    say_number("vhca", rd(WL_VHCA_ID));
}

static const struct {
    char letter;
    void (*obey)(void);
} commands[] = {
    { 'r', reference }, { 's', start }, { 'q', rest }, { 'c', change }, { 'l', lap }, { 'g', go }, { 'v', verify },
    { 'f', finish }, { 'b', beat },
};

static void obey(char letter)
{
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].letter == letter) {
            put(letter);
            commands[i].obey();
            no_number();
            return;
        }
    }
}

__attribute__((used)) static void run(void)
{
    char letter;

    enable_interrupts();
    if (!find_vf() || !enable_vf() || rd(WL_MAGIC) != WORKLOAD_MAGIC) {
        say("no VF of the model that this guest can use\n");
        for (;;)
            pause();
    }
    say("ready\n");
    for (;;) {
        if (heard(&letter))
            obey(letter);
        else
            pause();
    }
}

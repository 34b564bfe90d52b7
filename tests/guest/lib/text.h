/* SPDX-License-Identifier: MIT */
/*
 * What 32- and 64-bit test images share: text on COM1, an exit with a status,
 * ports, memory, sums.
 */
#ifndef TEXT_H
#define TEXT_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int bool;

#define PACKED	__attribute__((packed))
#define ALIGNED(n) __attribute__((aligned(n)))
#define NOINLINE __attribute__((noinline))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

void text_init(void);
void guest_exit(u32 status) __attribute__((noreturn));

/* Text: %x %llx %u %s %c, widths as %08x. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Counts a failure and says so when `ok` is false. */
void check(bool ok, const char *what);
extern u32 failures;

void *copy(void *to, const void *from, unsigned long count);
void *fill(void *to, u8 value, unsigned long count);
u32 hash(u32 h, u32 value);
u32 random(void); /* the same series in every run */

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* Both 8259s at vectors 20h and 28h, all lines masked but those of the first
 * that are clear in `mask`. */
static inline void pic_init(u8 mask)
{
	outb(0x20, 0x11), outb(0xa0, 0x11);
	outb(0x21, 0x20), outb(0xa1, 0x28);
	outb(0x21, 4), outb(0xa1, 2);
	outb(0x21, 1), outb(0xa1, 1);
	outb(0x21, mask), outb(0xa1, 0xff);
}

/* Ticks on line 0 every `divisor` periods of 1.193 MHz; 0: 65536. */
static inline void pit_start(u16 divisor)
{
	outb(0x43, 0x34);
	outb(0x40, (u8)divisor), outb(0x40, (u8)(divisor >> 8));
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The MC146818A, after Motorola's data sheet. The time lives in its registers
 * in whatever format register B asks for, as in the chip; reading anything
 * first lets the seconds that have gone by happen to them. Flags of register C
 * that are already set need no event, so an idle guest costs no deadline and
 * missed periods coalesce.
 */
#include "devices/rtc.h"

#include "devices/calendar.h"
#include "lib/string.h"

enum {
	SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM,
	WEEKDAY, DAY, MONTH, YEAR, REG_A, REG_B, REG_C, REG_D,
	CENTURY = 0x32,
};

#define A_UIP BIT(7)
#define A_DV  0x70
#define A_DV_RUN 0x20 /* a 32768 Hz crystal */
#define A_RS  0x0f

#define B_SET BIT(7)
#define B_PIE BIT(6)
#define B_AIE BIT(5)
#define B_UIE BIT(4)
#define B_DM  BIT(2) /* binary, not BCD */
#define B_24H BIT(1)

/* Register C's flags sit at the bits of their enables in register B. */
#define C_IRQF BIT(7)
#define C_FLAGS (B_PIE | B_AIE | B_UIE)

#define D_VRT BIT(7)

#define HOUR_PM   0x80
#define DONT_CARE 0xc0
#define CRYSTAL_HZ 32768u
/* An update cycle and the warning of 244 us before it, in crystal ticks. */
#define UIP_TICKS 73u

static u8 rtc_encode(const struct rtc *r, unsigned v)
{
	return (u8)(r->cmos[REG_B] & B_DM ? v : v / 10 % 10 << 4 | v % 10);
}

static unsigned rtc_decode(const struct rtc *r, u8 v)
{
	return r->cmos[REG_B] & B_DM ? v : (v >> 4) * 10u + (v & 15u);
}

static u8 rtc_encode_hour(const struct rtc *r, unsigned hour)
{
	if (r->cmos[REG_B] & B_24H)
		return rtc_encode(r, hour);
	return rtc_encode(r, hour % 12 ? hour % 12 : 12) |
	       (hour >= 12 ? HOUR_PM : 0);
}

static unsigned rtc_decode_hour(const struct rtc *r, u8 v)
{
	if (r->cmos[REG_B] & B_24H)
		return rtc_decode(r, v);
	return rtc_decode(r, v & (u8)~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

static u64 rtc_get_time(const struct rtc *r)
{
	const u8 *c = r->cmos;
	struct calendar t = {
		.year = rtc_decode(r, c[CENTURY]) * 100 + rtc_decode(r, c[YEAR]),
		.month = rtc_decode(r, c[MONTH]),
		.day = rtc_decode(r, c[DAY]),
		.hour = rtc_decode_hour(r, c[HOURS]),
		.minute = rtc_decode(r, c[MINUTES]),
		.second = rtc_decode(r, c[SECONDS]),
	};

	return calendar_to_seconds(&t);
}

static void rtc_set_time(struct rtc *r, u64 seconds)
{
	struct calendar t = calendar_from_seconds(seconds);
	u8 *c = r->cmos;

	c[SECONDS] = rtc_encode(r, t.second);
	c[MINUTES] = rtc_encode(r, t.minute);
	c[HOURS] = rtc_encode_hour(r, t.hour);
	c[DAY] = rtc_encode(r, t.day);
	c[MONTH] = rtc_encode(r, t.month);
	c[YEAR] = rtc_encode(r, t.year % 100);
	c[CENTURY] = rtc_encode(r, t.year / 100);
}

static bool rtc_dividing(const struct rtc *r)
{
	return (r->cmos[REG_A] & A_DV) == A_DV_RUN;
}

static bool rtc_ticking(const struct rtc *r)
{
	return rtc_dividing(r) && !(r->cmos[REG_B] & B_SET);
}

static void rtc_update_irq(struct rtc *r)
{
	u8 *c = r->cmos;

	c[REG_C] &= C_FLAGS;
	if (c[REG_C] & c[REG_B])
		c[REG_C] |= C_IRQF;
	line_set(&r->irq, c[REG_C] & C_IRQF);
}

static bool rtc_alarm_field(u8 alarm, u8 now)
{
	return alarm >= DONT_CARE || alarm == now;
}

static bool rtc_alarm_at(const struct rtc *r, u64 second_of_day)
{
	const u8 *c = r->cmos;
	unsigned s = (unsigned)second_of_day;

	return rtc_alarm_field(c[SECONDS_ALARM], rtc_encode(r, s % 60)) &&
	       rtc_alarm_field(c[MINUTES_ALARM], rtc_encode(r, s / 60 % 60)) &&
	       rtc_alarm_field(c[HOURS_ALARM], rtc_encode_hour(r, s / 3600));
}

/* n seconds pass since the time in the registers. */
static void rtc_tick(struct rtc *r, u64 n)
{
	u64 time = rtc_get_time(r);
	u64 days = (time + n) / 86400 - time / 86400;

	for (u64 i = 1; i <= MIN(n, 86400u); i++) {
		if (r->cmos[REG_C] & B_AIE)
			break;
		if (rtc_alarm_at(r, (time + i) % 86400))
			r->cmos[REG_C] |= B_AIE;
	}
	rtc_set_time(r, time + n);
	r->cmos[WEEKDAY] = (u8)((r->cmos[WEEKDAY] + 6 + days) % 7 + 1);
	r->cmos[REG_C] |= B_UIE;
}

/* Crystal ticks to a periodic interrupt; 0: none is asked for. */
static u32 rtc_period(const struct rtc *r)
{
	unsigned rate = r->cmos[REG_A] & A_RS;

	if (!rate || !rtc_dividing(r))
		return 0;
	return 1u << ((rate < 3 ? rate + 7 : rate) - 1);
}

static u64 rtc_periods(const struct rtc *r, u64 now)
{
	u32 period = rtc_period(r);

	return period ? clock_scale(&r->clock, now, CRYSTAL_HZ) / period : 0;
}

/* Lets all that is due at `now` happen. */
static void rtc_sync(struct rtc *r, u64 now)
{
	u64 periods = rtc_periods(r, now);
	u64 seconds = now > r->second ? (now - r->second) / r->clock.hz : 0;

	if (periods != r->periods) {
		r->periods = periods;
		r->cmos[REG_C] |= B_PIE;
	}
	if (!seconds || !rtc_dividing(r))
		return;
	r->second += seconds * r->clock.hz;
	if (rtc_ticking(r))
		rtc_tick(r, seconds);
}

/* The flags that shall interrupt and are not set yet. */
static u8 rtc_awaited(const struct rtc *r)
{
	return r->cmos[REG_B] & (u8)~r->cmos[REG_C] & C_FLAGS;
}

static void rtc_set_deadline(struct rtc *r)
{
	u8 awaited = rtc_awaited(r);
	u32 period = rtc_period(r);

	r->deadline = NEVER;
	if ((awaited & (B_UIE | B_AIE)) && rtc_ticking(r))
		r->deadline = r->second + r->clock.hz;
	if ((awaited & B_PIE) && period)
		r->deadline = MIN(r->deadline,
				  clock_unscale(&r->clock,
						(r->periods + 1) * period,
						CRYSTAL_HZ));
}

void rtc_run(struct rtc *r)
{
	rtc_sync(r, clock_now(&r->clock));
	rtc_update_irq(r);
	rtc_set_deadline(r);
}

static bool rtc_updating(const struct rtc *r)
{
	u64 now = clock_now(&r->clock);
	u64 next = r->second + r->clock.hz;

	return rtc_ticking(r) &&
	       now + clock_unscale(&r->clock, UIP_TICKS, CRYSTAL_HZ) >= next;
}

/* Leaving divider reset, the first update comes after half a second. */
static void rtc_write_a(struct rtc *r, u8 value)
{
	u64 now = clock_now(&r->clock);
	bool was = rtc_dividing(r);

	r->cmos[REG_A] = value & (u8)~A_UIP;
	r->periods = rtc_periods(r, now);
	if (!was && rtc_dividing(r))
		r->second = now - r->clock.hz / 2;
}

static void rtc_write_b(struct rtc *r, u8 value)
{
	if (value & B_SET)
		value &= (u8)~B_UIE;
	r->cmos[REG_B] = value;
}

static void rtc_write_reg(struct rtc *r, unsigned reg, u8 value)
{
	if (reg == REG_A)
		rtc_write_a(r, value);
	else if (reg == REG_B)
		rtc_write_b(r, value);
	else if (reg != REG_C && reg != REG_D)
		r->cmos[reg] = value;
}

static u8 rtc_read_reg(struct rtc *r, unsigned reg)
{
	u8 value = r->cmos[reg];

	if (reg == REG_A && rtc_updating(r))
		value |= A_UIP;
	if (reg == REG_C)
		r->cmos[REG_C] = 0;
	return value;
}

/* The clock's registers move with time, the memory does not. */
static bool rtc_is_clock(unsigned reg)
{
	return reg <= REG_D || reg == CENTURY;
}

u32 rtc_read(void *rtc, unsigned offset, unsigned size)
{
	struct rtc *r = rtc;
	u8 value;

	if (offset == 0)
		return 0xff; /* the index is write-only */
	if (!rtc_is_clock(r->index))
		return r->cmos[r->index];
	rtc_run(r);
	value = rtc_read_reg(r, r->index);
	if (r->index == REG_C)
		rtc_run(r);
	return value;
}

void rtc_write(void *rtc, unsigned offset, unsigned size, u32 value)
{
	struct rtc *r = rtc;

	if (offset == 0) {
		r->index = value & 0x7f;
		r->nmi_masked = value & BIT(7);
		return;
	}
	if (rtc_is_clock(r->index))
		rtc_run(r);
	rtc_write_reg(r, r->index, (u8)value);
	if (rtc_is_clock(r->index))
		rtc_run(r);
}

static void rtc_put_word(struct rtc *r, unsigned at, u64 value)
{
	value = MIN(value, 0xffffu);
	r->cmos[at] = (u8)value;
	r->cmos[at + 1] = (u8)(value >> 8);
}

/* The memory sizes, where a BIOS leaves them. */
static void rtc_put_sizes(struct rtc *r, u64 ram)
{
	u64 below_4g = MIN(ram, GIB(4) - MIB(16));
	u64 above_1m = ram > MIB(1) ? (below_4g - MIB(1)) >> 10 : 0;
	u64 above_16m = ram > MIB(16) ? (below_4g - MIB(16)) >> 16 : 0;

	rtc_put_word(r, 0x15, MIN(ram >> 10, 640u));
	rtc_put_word(r, 0x17, above_1m);
	rtc_put_word(r, 0x30, above_1m);
	rtc_put_word(r, 0x34, above_16m);
}

/* The sum over the set-up bytes, high byte first. */
static void rtc_put_checksum(struct rtc *r)
{
	unsigned sum = 0;

	for (unsigned i = 0x10; i < 0x2e; i++)
		sum += r->cmos[i];
	r->cmos[0x2e] = (u8)(sum >> 8);
	r->cmos[0x2f] = (u8)sum;
}

/* The battery keeps all but the interrupts. */
void rtc_reset(struct rtc *r)
{
	r->cmos[REG_B] &= (u8)~C_FLAGS;
	r->cmos[REG_C] = 0;
	rtc_run(r);
}

void rtc_init(struct rtc *r, const struct clock *clock, const struct line *irq,
	      u64 wall, u64 ram_bytes)
{
	memset(r, 0, sizeof(*r));
	r->clock = *clock;
	r->irq = *irq;
	r->second = clock_now(clock);
	r->cmos[REG_A] = A_DV_RUN | 6;
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = D_VRT;
	r->cmos[0x14] = BIT(1); /* equipment: an FPU */
	rtc_set_time(r, wall);
	r->cmos[WEEKDAY] = (u8)((wall / 86400 + 4) % 7 + 1);
	rtc_put_sizes(r, ram_bytes);
	rtc_put_checksum(r);
	r->periods = rtc_periods(r, clock_now(clock));
	rtc_reset(r);
}

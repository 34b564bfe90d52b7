/* SPDX-License-Identifier: MIT */
/*
 * The machine's wall clock: the CMOS real-time clock, read once for the
 * guest's. Registers as in the MC146818 data sheet.
 */
#include "kernel/host.h"
#include "kernel/instr.h"

enum { RTC_SEC = 0, RTC_MIN = 2, RTC_HOUR = 4, RTC_DAY = 7, RTC_MONTH = 8,
       RTC_YEAR = 9, RTC_A = 10, RTC_B = 11 };

#define RTC_A_UIP    BIT(7)
#define RTC_B_BINARY BIT(2)
#define RTC_B_24H    BIT(1)
#define HOUR_PM      BIT(7)

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static u32 number(u8 raw, bool binary)
{
	return binary ? raw : (raw >> 4) * 10u + (raw & 15);
}

/* Days from 1970-01-01 to the first of the month, in the years 2000-2099. */
static u64 days_to(u32 year, u32 month)
{
	static const u16 before[] = { 0,   31,	59,  90,  120, 151,
				      181, 212, 243, 273, 304, 334 };
	u64 leaps = (year + 3) / 4; /* leap days of the years before */

	return 10957 + 365ull * year + leaps + before[month - 1] +
	       (month > 2 && year % 4 == 0);
}

u64 host_wall_seconds(void)
{
	u32 hour, month;
	bool binary;
	u8 b, raw_hour;

	for (int i = 0; i < 100000 && (cmos(RTC_A) & RTC_A_UIP); i++)
		;
	b = cmos(RTC_B);
	binary = b & RTC_B_BINARY;
	raw_hour = cmos(RTC_HOUR);
	hour = number(raw_hour & ~HOUR_PM, binary);
	if (!(b & RTC_B_24H))
		hour = hour % 12 + (raw_hour & HOUR_PM ? 12 : 0);
	month = number(cmos(RTC_MONTH), binary);
	if (month < 1 || month > 12)
		month = 1;
	return ((days_to(number(cmos(RTC_YEAR), binary), month) +
		 number(cmos(RTC_DAY), binary) - 1) * 24 + hour) * 3600 +
	       number(cmos(RTC_MIN), binary) * 60 +
	       number(cmos(RTC_SEC), binary);
}

/* SPDX-License-Identifier: MIT */
/* The MC146818 clock and the CMOS memory behind ports 70h and 71h. */
#ifndef DEVICES_RTC_H
#define DEVICES_RTC_H

#include "devices/line.h"

struct rtc {
	u8 cmos[128]; /* the clock's registers and the memory */
	u8 index;
	bool nmi_masked;
	u64 second;   /* TSC at which the shown second began */
	u64 periods;  /* periodic interrupt periods gone by */
	u64 deadline;
	struct clock clock;
	struct line irq;
};

/* Sets the clock to wall, in seconds since 1970. */
void rtc_init(struct rtc *r, const struct clock *clock, const struct line *irq,
	      u64 wall, u64 ram_bytes);
void rtc_reset(struct rtc *r);
void rtc_run(struct rtc *r);

u32 rtc_read(void *rtc, unsigned offset, unsigned size);
void rtc_write(void *rtc, unsigned offset, unsigned size, u32 value);

#endif

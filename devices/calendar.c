/* SPDX-License-Identifier: MIT */
/*
 * Days are counted in years that begin in March, so that the leap day comes
 * last and a month's length follows one linear formula: 153 days to five
 * months.
 */
#include "devices/calendar.h"

#define DAYS_TO_1970 719468u /* since 1 March of year 0 */
#define YEARS_400    146097u

/* Days since 1 March of year 0. */
static u64 calendar_days(unsigned year, unsigned month, unsigned day)
{
	u64 y = year + (month + 9) / 12;
	unsigned m = (month + 9) % 12; /* March is 0 */

	y = y ? y - 1 : 0;
	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
	       day - 1;
}

u64 calendar_to_seconds(const struct calendar *t)
{
	u64 days = calendar_days(t->year, t->month, t->day ? t->day : 1);

	days = days > DAYS_TO_1970 ? days - DAYS_TO_1970 : 0;
	return days * 86400 + t->hour * 3600ull + t->minute * 60ull + t->second;
}

struct calendar calendar_from_seconds(u64 seconds)
{
	u64 days = seconds / 86400 + DAYS_TO_1970;
	unsigned rest = (unsigned)(seconds % 86400);
	unsigned era_day = (unsigned)(days % YEARS_400);
	/* The last day of 4, of 100 and of 400 years is a leap day. */
	unsigned era_year = (era_day - era_day / 1460 + era_day / 36524 -
			     era_day / 146096) / 365;
	unsigned year_day = era_day - (era_year * 365 + era_year / 4 -
				       era_year / 100);
	unsigned m = (5 * year_day + 2) / 153;

	return (struct calendar){
		.year = (unsigned)(days / YEARS_400 * 400) + era_year + (m > 9),
		.month = m < 10 ? m + 3 : m - 9,
		.day = year_day - (153 * m + 2) / 5 + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
	};
}

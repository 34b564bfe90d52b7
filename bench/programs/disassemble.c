/* SPDX-License-Identifier: MIT */
/* Penumbra's own decoder and formatter, at work on this program's text: two
 * thousand lines of tables, walkers and printing. */
#include "bench/programs/monitor.h"

extern const u8 image_text[], image_text_end[];

u32 work(void)
{
	u32 h = 0, at = 0, size = (u32)(image_text_end - image_text);
	char text[96];

	while (at + INSN_MAX < size) {
		struct insn insn;
		enum decode_result r = insn_decode(&insn, image_text + at,
						   INSN_MAX, 4);

		h = (h ^ r) * 16777619;
		if (r != DECODE_OK) {
			at++;
			continue;
		}
		insn_format(&insn, at, text, sizeof(text));
		for (const char *p = text; *p; p++)
			h = (h ^ (u8)*p) * 16777619;
		at += insn.len;
	}
	return h;
}

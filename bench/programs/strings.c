/* SPDX-License-Identifier: MIT */
/* String and memory functions on short and long operands; word counting. */
#include "program.h"

static char text[64 * 1024], other[64 * 1024];
static struct { char word[16]; u32 count; } words[4096];

static void write_text(void)
{
	u32 seed = 7, at = 0;

	while (at + 16 < sizeof(text)) {
		u32 length = 2 + next_random(&seed) % 7;

		for (u32 i = 0; i < length; i++)
			text[at++] = (char)('a' + (next_random(&seed) >> 28));
		text[at++] = ' ';
	}
	text[at] = 0;
}

static NOINLINE u32 find(const char *hay, const char *needle)
{
	for (u32 i = 0; hay[i]; i++) {
		u32 j = 0;

		while (needle[j] && hay[i + j] == needle[j])
			j++;
		if (!needle[j])
			return i;
	}
	return ~0u;
}

static NOINLINE u32 slot_of(const char *word)
{
	u32 h = 2166136261u;

	for (const char *p = word; *p; p++)
		h = mix(h, (u8)*p);
	for (h %= ARRAY_SIZE(words); words[h].count; h = (h + 1) % ARRAY_SIZE(words))
		if (!strcmp(words[h].word, word))
			break;
	return h;
}

static u32 count_words(void)
{
	u32 distinct = 0, at = 0, slot;
	char word[16];

	memset(words, 0, sizeof(words));
	while (text[at] && distinct < ARRAY_SIZE(words) / 2) {
		u32 n = 0;

		while (text[at] != ' ')
			word[n++] = text[at++];
		word[n] = 0;
		at++;
		slot = slot_of(word);
		if (!words[slot].count++) {
			memcpy(words[slot].word, word, n + 1);
			distinct++;
		}
	}
	return distinct;
}

u32 work(void)
{
	u32 h = 0;

	write_text();
	for (u32 n = 0; n < 120; n++) {
		memcpy(other, text, sizeof(text));
		h = mix(h, (u32)memcmp(other, text, sizeof(text)));
		memmove(other + 1, other, sizeof(other) - 1);
		h = mix(h, strlen(other + (n & 7)));
		h = mix(h, find(other, "ponmlkj"));
		h = mix(h, count_words());
		memset(other, (int)n, sizeof(other));
		for (u32 i = 0; i + 32 < 4096; i += 20)
			memcpy(other + i, text + i, 5 + (i & 15));
		h = mix(h, (u8)other[n * 100]);
	}
	return h;
}

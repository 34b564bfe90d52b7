/* SPDX-License-Identifier: MIT */
/* Virtual-call dispatch: objects of many classes behind one table of methods,
 * in runs of one class, in turns, and at random. */
#include "program.h"

struct object;
struct methods { u32 (*area)(const struct object *); u32 (*grow)(struct object *, u32); };
struct object { const struct methods *m; u32 a, b; };

#define CLASS(n, area_of, growth)                                         \
	static u32 area##n(const struct object *o) { return area_of; }    \
	static u32 grow##n(struct object *o, u32 by)                      \
	{                                                                 \
		return o->a += growth;                                    \
	}                                                                 \
	static const struct methods class##n = { area##n, grow##n };

CLASS(0, o->a * o->b, by)
CLASS(1, o->a * o->a * 3, by + 1)
CLASS(2, (o->a * o->b) >> 1, by ^ 5)
CLASS(3, o->a + o->b, by * 3)
CLASS(4, o->a ^ o->b, by + o->b)
CLASS(5, (o->a << 3) - o->b, by >> 1)
CLASS(6, o->a | o->b, by - 7)
CLASS(7, ~o->a, by & 15)

static const struct methods *const classes[] = {
	&class0, &class1, &class2, &class3, &class4, &class5, &class6, &class7,
};

static struct object objects[1024];

static void place(u32 kind)
{
	u32 seed = 99;

	for (u32 i = 0; i < ARRAY_SIZE(objects); i++) {
		u32 c = kind == 0 ? i / 128 : kind == 1 ? i % 8 :
			next_random(&seed) >> 29;

		objects[i] = (struct object){ classes[c], i, i * 7 };
	}
}

u32 work(void)
{
	u32 h = 0;

	for (u32 kind = 0; kind < 3; kind++) {
		place(kind);
		for (u32 n = 0; n < 700; n++)
			for (u32 i = 0; i < ARRAY_SIZE(objects); i++) {
				struct object *o = &objects[i];

				h += o->m->area(o) + o->m->grow(o, h & 3);
			}
	}
	return h;
}

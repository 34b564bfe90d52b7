/* SPDX-License-Identifier: MIT */
/* Emits the struct offsets that assembly needs; see the Makefile. */
#include "bt/abi.h"
#include "cpu/vcpu.h"
#include "kernel/frame.h"

#define OFFSET(sym, type, field) \
	__asm__ volatile("@@ " #sym " %c0" : : "i"(offsetof(type, field)))
#define VALUE(sym, value) __asm__ volatile("@@ " #sym " %c0" : : "i"(value))

void offsets(void);

void offsets(void)
{
	OFFSET(VCPU_GPR, struct vcpu, gpr);
	OFFSET(VCPU_RIP, struct vcpu, rip);
	OFFSET(VCPU_RFLAGS, struct vcpu, rflags);
	OFFSET(VCPU_INSN_COUNT, struct vcpu, insn_count);
	OFFSET(VCPU_SEG, struct vcpu, seg);
	VALUE(SEGMENT_SIZE, sizeof(struct segment));
	OFFSET(SEGMENT_SEL, struct segment, sel);
	OFFSET(VCPU_EFER, struct vcpu, efer);
	OFFSET(VCPU_INTR, struct vcpu, intr);
	OFFSET(VCPU_ATTENTION, struct vcpu, attention);
	OFFSET(VCPU_ENGINE, struct vcpu, engine);
	OFFSET(BT_IFLAG, struct bt_plain, iflag);
	OFFSET(BT_DFLAG, struct bt_plain, dflag);
	OFFSET(BT_REST, struct bt_plain, rest);
	OFFSET(BT_IMAGE, struct bt_plain, image);
	OFFSET(BT_TAG_SPACE, struct bt_plain, tag_space);
	OFFSET(BT_IND_BRANCHES, struct bt_plain, ind_branches);
	OFFSET(BT_IND_MISSES, struct bt_plain, ind_misses);
	VALUE(BT_COUNT_INSNS, BT_COUNT_INSNS);
	VALUE(BT_COUNT_SHIFT, BT_COUNT_SHIFT);
	VALUE(BT_STORE_REFUSED, BT_STORE_REFUSED);
	VALUE(BT_FLAGS_REAL, BT_FLAGS_REAL);
	VALUE(BT_FLAGS_REST, BT_FLAGS_REST);
	OFFSET(FRAME_RFLAGS, struct host_frame, rflags);
}

; SPDX-License-Identifier: MIT
;
; The ways in and out of guest code: bt_enter() into the translation cache,
; bt_user_enter() into CPL 3, bt_leave and bt_unwind() back to their caller.
; Invariant: while guest code runs, bt_stack is the stack that they return on,
; which is also where the TSS's RSP0 puts the frames of CPL 3's exceptions.

%include "offsets.inc"
%include "bt/state.inc"

bits 64
default rel

extern bt_target_table          ; engine.c: struct bt_targets *
extern bt_user_reload           ; desc.c
extern host_tss                 ; kernel/gdt.c
%define TSS_RSP0 4

global bt_enter, bt_resume, bt_resume_end, bt_leave, bt_unwind, bt_user_enter
global bt_user_go, bt_user_loads, bt_user_loads_end, bt_stack

section .bss align=8
bt_stack:
	resq	1

section .text

%macro ENTER_FROM_C 0
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	sub	rsp, 8          ; 16-byte aligned in guest code
	mov	[bt_stack], rsp
	mov	r15, rdi
%endmacro

; void bt_enter(struct vcpu *v, const void *exec)
bt_enter:
	ENTER_FROM_C
	mov	r14, [bt_target_table]
	mov	rax, rsi

; rax = translated code, state in the vcpu, where it stays good until the jump:
; an event between the test and the jump goes to bt_leave (bt_irq()), so none
; is lost. Interrupts are on and no flag is popped, since CLI, STI and POPF are
; among the dearest instructions of an emulator.
bt_resume:
	cmp	byte [r15 + VCPU_ATTENTION], 0
	jne	bt_leave
	mov	r8, rax
	BT_SPLIT_FLAGS
	BT_SET_FLAGS
	BT_LOAD_GPRS
	jmp	r8
bt_resume_end:

; Every way out ends here, all guest state being in the vcpu. bt_unwind() is
; the same from an exception handler, whose frame is dropped.
bt_unwind:
bt_leave:
	mov	rsp, [bt_stack]
	cld
	sti
	add	rsp, 8
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

%macro LOAD_SREG 2              ; name, its number
	mov	ax, [r15 + VCPU_SEG + %2 * SEGMENT_SIZE + SEGMENT_SEL]
	mov	cx, %1
	cmp	ax, cx
	je	%%same
	mov	%1, ax
%%same:
%endmacro

; void bt_user_enter(struct vcpu *v)
;
; Stubs go to bt_user_go, with the same stack. bt_user_reload: descriptors were
; rewritten, so equal selectors must be loaded too; cleared only once they will
; be, since an event may end this before.
; IF is off from the test for events to the IRETQ, which turns it on. A fault
; between bt_user_loads and its end is the guest's state being refused.
bt_user_enter:
	ENTER_FROM_C
bt_user_go:
	cli
	cmp	byte [r15 + VCPU_ATTENTION], 0
	jne	bt_leave
	lea	rax, [host_tss]
	mov	[rax + TSS_RSP0], rsp
	cmp	byte [bt_user_reload], 0
	je	bt_user_loads
	xor	eax, eax
	mov	[bt_user_reload], al
	mov	es, ax
	mov	ds, ax
	mov	fs, ax
	mov	gs, ax
bt_user_loads:
	LOAD_SREG es, 0
	LOAD_SREG ds, 3
	LOAD_SREG fs, 4
	LOAD_SREG gs, 5
	movzx	eax, word [r15 + VCPU_SEG + 2 * SEGMENT_SIZE + SEGMENT_SEL]
	push	rax
	push	qword [r15 + GPR(4)]
	mov	eax, [r15 + VCPU_RFLAGS]
	push	rax
	movzx	eax, word [r15 + VCPU_SEG + 1 * SEGMENT_SIZE + SEGMENT_SEL]
	push	rax
	push	qword [r15 + VCPU_RIP]
	BT_LOAD_GPRS
	mov	r15d, 0         ; r8-r15 cannot be seen in compatibility mode
	iretq
bt_user_loads_end:

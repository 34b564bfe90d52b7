; SPDX-License-Identifier: MIT
; The way into translated code from C in a host test; what bt/switch.asm is
; in the monitor.

%include "bt/state.inc"

global test_enter, bt_resume, bt_leave, bt_user_go

section .bss
alignb 8
stack:	resq 1

section .text

; void test_enter(struct vcpu *v, const u8 *exec, struct bt_targets *table,
;                 u64 host_flags)
; host_flags: more flags to run with (TF).
test_enter:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	sub	rsp, 8
	lea	rax, [rel stack]
	mov	[rax], rsp
	mov	r15, rdi
	mov	r14, rdx
	mov	rax, rsi
	jmp	go

bt_resume:
	xor	ecx, ecx
go:
	mov	r8, rax
	mov	r9, rcx
	BT_SPLIT_FLAGS
	or	rcx, r9
	push	rcx
	BT_LOAD_GPRS
	popfq
	jmp	r8

bt_user_go:
bt_leave:
	lea	rax, [rel stack]
	mov	rsp, [rax]
	cld
	add	rsp, 8
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

section .note.GNU-stack noalloc noexec nowrite progbits

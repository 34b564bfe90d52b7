; SPDX-License-Identifier: MIT
;
; VM entry and exit: swaps the general registers and nothing else. The host's
; own survive on the stack, with the vcpu on top; RSP is the processor's to
; swap, by the VMCS. r8-r15 and the upper halves are the guest's in IA-32e mode
; only, which no guest enters or leaves without an exit.

%include "offsets.inc"

bits 64
default rel

global vmx_enter, vmx_exit_landing

VMCS_HOST_RSP	equ 0x6c14

%define GPR(n)	VCPU_GPR + 8 * n
%define LMA(v)	byte [v + VCPU_EFER + 1], 1 << 2

; In ModRM order: ax 0, cx 1, dx 2, bx 3, bp 5, si 6, di 7. No flags change.
%macro GUEST_LOAD 1
	mov	eax, [%1 + GPR(0)]
	mov	ecx, [%1 + GPR(1)]
	mov	edx, [%1 + GPR(2)]
	mov	ebx, [%1 + GPR(3)]
	mov	ebp, [%1 + GPR(5)]
	mov	esi, [%1 + GPR(6)]
	mov	edi, [%1 + GPR(7)]
%endmacro

%macro GUEST_LOAD_WIDE 1
	mov	rax, [%1 + GPR(0)]
	mov	rcx, [%1 + GPR(1)]
	mov	rdx, [%1 + GPR(2)]
	mov	rbx, [%1 + GPR(3)]
	mov	rbp, [%1 + GPR(5)]
	mov	rsi, [%1 + GPR(6)]
	mov	r8, [%1 + GPR(8)]
	mov	r9, [%1 + GPR(9)]
	mov	r10, [%1 + GPR(10)]
	mov	r11, [%1 + GPR(11)]
	mov	r12, [%1 + GPR(12)]
	mov	r13, [%1 + GPR(13)]
	mov	r14, [%1 + GPR(14)]
	mov	r15, [%1 + GPR(15)]
	mov	rdi, [%1 + GPR(7)]
%endmacro

section .bss align=8
host_rsp:
	resq	1

section .text

; enum vmx_entry_result vmx_enter(struct vcpu *v, bool launched)
vmx_enter:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	push	rdi
	cmp	rsp, [host_rsp]
	je	.same
	mov	[host_rsp], rsp
	mov	eax, VMCS_HOST_RSP
	vmwrite	rax, rsp
.same:	test	LMA(rdi)
	jnz	.wide
	test	sil, sil
	GUEST_LOAD rdi
	jnz	.resume
	vmlaunch
	jmp	.failed
.wide:	test	sil, sil
	GUEST_LOAD_WIDE rdi
	jnz	.resume
	vmlaunch
	jmp	.failed
.resume:
	vmresume
.failed:
	mov	eax, 1
	mov	ecx, 2
	cmovz	eax, ecx
	add	rsp, 8
	jmp	leave_guest

vmx_exit_landing:
	push	rdi
	mov	rdi, [rsp + 8]
	test	LMA(rdi)
	jnz	.wide
	mov	[rdi + GPR(0)], eax
	mov	[rdi + GPR(1)], ecx
	mov	[rdi + GPR(2)], edx
	mov	[rdi + GPR(3)], ebx
	mov	[rdi + GPR(5)], ebp
	mov	[rdi + GPR(6)], esi
	pop	rax
	mov	[rdi + GPR(7)], eax
	jmp	.saved
.wide:	mov	[rdi + GPR(0)], rax
	mov	[rdi + GPR(1)], rcx
	mov	[rdi + GPR(2)], rdx
	mov	[rdi + GPR(3)], rbx
	mov	[rdi + GPR(5)], rbp
	mov	[rdi + GPR(6)], rsi
	mov	[rdi + GPR(8)], r8
	mov	[rdi + GPR(9)], r9
	mov	[rdi + GPR(10)], r10
	mov	[rdi + GPR(11)], r11
	mov	[rdi + GPR(12)], r12
	mov	[rdi + GPR(13)], r13
	mov	[rdi + GPR(14)], r14
	mov	[rdi + GPR(15)], r15
	pop	rax
	mov	[rdi + GPR(7)], rax
.saved:	add	rsp, 8
	xor	eax, eax
leave_guest:
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

; SPDX-License-Identifier: MIT
;
; VM entry and exit: swaps the general registers and nothing else. The host's
; own survive on the stack, with the vcpu on top; RSP is the processor's to
; swap, by the VMCS. A 32-bit guest: r8-r15 and the upper halves are not its.

%include "offsets.inc"

bits 64
default rel

global vmx_enter, vmx_exit_landing

VMCS_HOST_RSP	equ 0x6c14

%define GPR(n)	VCPU_GPR + 8 * n

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
.same:	test	sil, sil
	GUEST_LOAD rdi
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
	mov	[rdi + GPR(0)], eax
	mov	[rdi + GPR(1)], ecx
	mov	[rdi + GPR(2)], edx
	mov	[rdi + GPR(3)], ebx
	mov	[rdi + GPR(5)], ebp
	mov	[rdi + GPR(6)], esi
	pop	rax
	mov	[rdi + GPR(7)], eax
	add	rsp, 8
	xor	eax, eax
leave_guest:
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

; SPDX-License-Identifier: MIT
; 64 bits: handlers as short as the processor allows, the user halves of the
; system calls, and calls that no compiler may touch.

bits 64
default abs
REGION	equ 0x40000000
%define A_REG rax
%define C_REG rcx
%define STACK_REG rsp
%define WORD_AT qword
%define WORD_BYTES 8
%define DEFINE_WORD dq
%define RETURN_FROM iretq
%include "handlers.inc"

on_syscall:
	o64 sysret

user_syscall:
	mov	ebx, [user_count]
.again:
	syscall
	dec	ebx
	jnz	.again
	hlt

; void call_once(u32 n): n calls of one function.
call_once:
	push	rbx
	mov	ebx, edi
.again:
	call	target0
	dec	ebx
	jnz	.again
	pop	rbx
	ret

; void call_indirect(u32 n, u32 mask): calls through a register, to target
; number i & mask.
call_indirect:
	push	rbx
	mov	ebx, edi
.again:
	mov	eax, ebx
	and	eax, esi
	call	[call_targets + 8 * rax]
	dec	ebx
	jnz	.again
	pop	rbx
	ret

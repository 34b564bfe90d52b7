; SPDX-License-Identifier: MIT
; 32 bits: handlers as short as the processor allows, the user halves of the
; system calls, and calls that no compiler may touch.

bits 32
REGION	equ 0x40000000
%define A_REG eax
%define C_REG ecx
%define STACK_REG esp
%define WORD_AT dword
%define WORD_BYTES 4
%define DEFINE_WORD dd
%define RETURN_FROM iretd
%include "handlers.inc"

on_syscall:
	sti
	sysexit

user_syscall:
	mov	ebx, [user_count]
	mov	ecx, esp
	mov	edx, .back
.again:
	sysenter
.back:
	dec	ebx
	jnz	.again
	hlt

; void call_once(u32 n): n calls of one function.
call_once:
	push	ebx
	mov	ebx, [esp + 8]
.again:
	call	target0
	dec	ebx
	jnz	.again
	pop	ebx
	ret

; void call_indirect(u32 n, u32 mask): calls through a register, to target
; number i & mask.
call_indirect:
	push	ebx
	push	esi
	mov	ebx, [esp + 12]
	mov	esi, [esp + 16]
.again:
	mov	eax, ebx
	and	eax, esi
	call	[call_targets + 4 * eax]
	dec	ebx
	jnz	.again
	pop	esi
	pop	ebx
	ret

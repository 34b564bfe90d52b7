; SPDX-License-Identifier: MIT
; u32 host_native_call(const void *code, void *mem, u64 *rax, u64 *flags)
; Lends the real arithmetic flags, rax and the live x87/SSE state to a few
; bytes of code. A fault in it comes back through native_abort.

ARITH		equ 0x8d5		; CF PF AF ZF SF OF

global host_native_call, native_abort, native_rsp

section .text
bits 64

host_native_call:
	push rbp
	mov rbp, rsp
	push rbx
	push r12
	push r13
	push r14
	push r15
	push rdx
	push rcx
	sub rsp, 8			; align
	mov [native_rsp], rsp
	mov r11, rdi
	mov rdi, rsi
	mov rax, [rdx]
	mov r10, [rcx]
	and r10d, ARITH
	pushfq
	and qword [rsp], ~ARITH
	or [rsp], r10
	popfq
	call r11
	pushfq
	pop r10
	cld
	mov qword [native_rsp], 0
	lea rsp, [rbp - 8 * 8]	; interrupts use what is below
	mov rcx, [rbp - 7 * 8]
	mov rdx, [rbp - 6 * 8]
	mov [rdx], rax
	and r10d, ARITH
	mov rax, [rcx]
	and rax, ~ARITH
	or rax, r10
	mov [rcx], rax
	xor eax, eax
	jmp leave_native

; rsp is native_rsp again and eax the result.
native_abort:
	lea rbp, [rsp + 8 * 8]
	cld
leave_native:
	mov rbx, [rbp - 1 * 8]
	mov r12, [rbp - 2 * 8]
	mov r13, [rbp - 3 * 8]
	mov r14, [rbp - 4 * 8]
	mov r15, [rbp - 5 * 8]
	mov rsp, rbp
	pop rbp
	ret

section .bss nobits alloc noexec write align=8
native_rsp:	resq 1

; SPDX-License-Identifier: MIT
; All 256 ways in from the hardware: one stub a vector, one frame layout
; (struct host_frame), one way out. And the stacks that they run on.

%include "offsets.inc"

STUB_BYTES	equ 16
MAIN_STACK	equ 64 * 1024
ENTRY_STACK	equ 16 * 1024

AC_NT		equ 1 << 18 | 1 << 14

; Vectors for which the CPU pushes an error code.
ERROR_VECTORS	equ 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | \
		1 << 17 | 1 << 21 | 1 << 29 | 1 << 30

extern irq_dispatch
global isr_stubs, isr_iretq

section .text
bits 64

	align STUB_BYTES
isr_stubs:
%assign v 0
%rep 256
	align STUB_BYTES
%if v >= 32 || !(ERROR_VECTORS >> v & 1)
	push 0
%endif
	push v
	jmp isr_common
%assign v v + 1
%endrep

; The interrupted code may be the guest's: nothing of its flags may reach C.
; An interrupt gate has cleared IF and TF; the rest is looked at here.
isr_common:
	push r15
	push r14
	push r13
	push r12
	push r11
	push r10
	push r9
	push r8
	push rdi
	push rsi
	push rbp
	push rbx
	push rdx
	push rcx
	push rax
	cld
	test dword [rsp + FRAME_RFLAGS], AC_NT
	jz .clean
	pushfq
	and qword [rsp], ~AC_NT
	popfq
.clean:
	mov rdi, rsp
	call irq_dispatch
	pop rax
	pop rcx
	pop rdx
	pop rbx
	pop rbp
	pop rsi
	pop rdi
	pop r8
	pop r9
	pop r10
	pop r11
	pop r12
	pop r13
	pop r14
	pop r15
	add rsp, 16			; vector, error code
isr_iretq:
	iretq

%macro stack 2
	global %1_guard, %1_top
%1_guard: resb 4096
	resb %2
%1_top:
%endmacro

section .bss nobits alloc noexec write align=4096
global stacks_start, stacks_end
stacks_start:
	stack stack, MAIN_STACK
	stack stack_rsp0, ENTRY_STACK
	stack stack_df, ENTRY_STACK
	stack stack_nmi, ENTRY_STACK
	stack stack_mc, ENTRY_STACK
stacks_end:

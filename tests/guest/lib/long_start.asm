; SPDX-License-Identifier: MIT
; Entry of every 64-bit test image: a Multiboot 1 header, page tables, the way
; into 64-bit mode, a call of main(), then the exit with what it returned. Also
; the exception stubs and catch(), the way back out of a fault.

MAGIC	equ 0x1badb002
FLAGS	equ 3			; page-aligned modules, memory information
ALL	equ 7			; present, writable, user

section .multiboot
align 4
	dd MAGIC, FLAGS, -(MAGIC + FLAGS)

section .text
extern main, guest_init, guest_exit, trap_common
global _start, catch, catch_return, stub_table, pml4, boot_magic, boot_info

bits 32
_start:
	cli
	cld
	mov	esp, stack_top
	mov	[boot_magic], eax
	mov	[boot_info], ebx
	mov	dword [pml4], pdpt + ALL
	mov	dword [pml4 + 256 * 8], pdpt + ALL
	mov	edi, pdpt
	mov	eax, directories + ALL
	mov	ecx, 4
.pdpt:	mov	[edi], eax
	add	edi, 8
	add	eax, 4096
	loop	.pdpt
	mov	edi, directories
	mov	eax, 0x80 + ALL
	mov	ecx, 2048
.pd:	mov	[edi], eax
	add	edi, 8
	add	eax, 0x200000
	loop	.pd
	mov	eax, pml4
	mov	cr3, eax
	mov	eax, 0x20		; PAE
	mov	cr4, eax
	mov	ecx, 0xc0000080		; EFER: LME, NXE
	xor	edx, edx
	mov	eax, 0x900
	wrmsr
	mov	eax, 0x80000031		; PG, NE, ET, PE
	mov	cr0, eax
	lgdt	[boot_gdtr]
	jmp	8:wide

bits 64
wide:
	push	qword 2
	popfq
	call	guest_init
	call	main
	mov	edi, eax
	call	guest_exit

; u32 catch(void (*fn)(void *), void *arg): 0 when fn returned, else 1 + the
; vector of the exception that ended it. Nests: the old way back is kept.
catch:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	pushfq
	push	qword [catch_rsp]
	mov	[catch_rsp], rsp
	sub	rsp, 8
	mov	rax, rdi
	mov	rdi, rsi
	call	rax
	add	rsp, 8
	xor	eax, eax
leave_catch:
	pop	qword [catch_rsp]
	popfq
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

; void catch_return(u32 value): leave the innermost catch() with this value.
catch_return:
	mov	eax, edi
	mov	ecx, 0x10
	mov	ds, ecx
	mov	es, ecx
	mov	ss, ecx
	mov	rsp, [catch_rsp]
	cld
	jmp	leave_catch

; Every vector pushes its error code (or 0) and its number.
%assign v 0
%rep 256
stub%[v]:
%if v != 8 && v != 17 && (v < 10 || v > 14)
	push	qword 0
%endif
	push	qword v
	jmp	near stub_common
%assign v v+1
%endrep

stub_common:
	push	rax
	push	rcx
	push	rdx
	push	rbx
	push	rbp
	push	rsi
	push	rdi
	push	r8
	push	r9
	push	r10
	push	r11
	push	r12
	push	r13
	push	r14
	push	r15
	cld
	mov	rdi, rsp
	mov	rbx, rsp
	and	rsp, -16
	call	trap_common
	mov	rsp, rbx
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rdi
	pop	rsi
	pop	rbp
	pop	rbx
	pop	rdx
	pop	rcx
	pop	rax
	add	rsp, 16
	iretq

section .data
align 8
boot_gdt:
	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
	dw 23
	dd boot_gdt
align 8
stub_table:
%assign v 0
%rep 256
	dq stub%[v]
%assign v v+1
%endrep

section .bss align=4096
alignb 4096
pml4: resb 4096
pdpt: resb 4096
directories: resb 4 * 4096
catch_rsp: resq 1
global catch_rsp
boot_magic: resd 1
boot_info: resd 1
alignb 16
stack: resb 32768
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits

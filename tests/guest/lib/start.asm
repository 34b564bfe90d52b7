; SPDX-License-Identifier: MIT
; Entry of every test image: a Multiboot 1 header, a stack, a call of main(),
; then the exit with what it returned. Also the exception stubs and catch(),
; the way back out of a fault.

bits 32
MAGIC	equ 0x1badb002
FLAGS	equ 3			; page-aligned modules, memory information

section .multiboot
align 4
	dd MAGIC, FLAGS, -(MAGIC + FLAGS)

section .text
extern main, guest_init, guest_exit, trap_common
global _start, catch, catch_return, stub_table, boot_magic, boot_info

_start:
	cli
	cld
	mov	esp, stack_top
	mov	[boot_magic], eax
	mov	[boot_info], ebx
	push	dword 2
	popfd
	call	guest_init
	call	main
	push	eax
	call	guest_exit

; u32 catch(void (*fn)(void *), void *arg): 0 when fn returned, else 1 + the
; vector of the exception that ended it. Nests: the old way back is kept.
catch:
	push	ebx
	push	esi
	push	edi
	push	ebp
	pushfd
	push	dword [catch_esp]
	mov	[catch_esp], esp
	push	dword [esp + 32]
	call	[esp + 32]
	add	esp, 4
	xor	eax, eax
leave_catch:
	pop	dword [catch_esp]
	popfd
	pop	ebp
	pop	edi
	pop	esi
	pop	ebx
	ret

; void catch_return(u32 value): leave the innermost catch() with this value.
catch_return:
	mov	eax, [esp + 4]
	mov	cx, 0x10
	mov	ds, cx
	mov	es, cx
	mov	ss, cx
	mov	esp, [catch_esp]
	cld
	jmp	leave_catch

; Every vector pushes its error code (or 0) and its number.
%assign v 0
%rep 256
stub%[v]:
%if v != 8 && v != 17 && (v < 10 || v > 14)
	push	dword 0
%endif
	push	dword v
	jmp	near stub_common
%assign v v+1
%endrep

stub_common:
	pushad
	push	ds
	push	es
	push	fs
	push	gs
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	cld
	push	esp
	call	trap_common
	add	esp, 4
	pop	gs
	pop	fs
	pop	es
	pop	ds
	popad
	add	esp, 8
	iretd

section .data
align 4
stub_table:
%assign v 0
%rep 256
	dd stub%[v]
%assign v v+1
%endrep

section .bss
align 16
boot_magic: resd 1
boot_info: resd 1
catch_esp: resd 1
global catch_esp
stack: resb 32768
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits

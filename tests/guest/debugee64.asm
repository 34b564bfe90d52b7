; SPDX-License-Identifier: MIT
; To long mode and back, with something for a debugger on the way: 64-bit
; registers, a 64-bit store. Returns the low half of what was read back.

global long_run, long_code, long_store, long_loaded, watched64
extern gdt

CODE64	equ 0x30
CODE32	equ 0x08
EFER	equ 0xc0000080
LME	equ 1 << 8

section .bss align=4096
pml4:	resb 4096
pdpt:	resb 4096
pd:	resb 4096

section .data align=8
watched64: dq 0

section .text
bits 32
long_run:
	push	ebx
	push	esi
	push	edi
	push	ebp
	mov	dword [gdt + CODE64], 0x0000ffff
	mov	dword [gdt + CODE64 + 4], 0x00af9b00
	mov	dword [pml4], pdpt + 3
	mov	dword [pdpt], pd + 3
	mov	eax, 0x83		; 2 MiB pages: present, writable, large
	xor	ecx, ecx
.page:	mov	[pd + 8 * ecx], eax
	add	eax, 0x200000
	inc	ecx
	cmp	ecx, 16
	jne	.page
	mov	eax, 1 << 5		; CR4.PAE
	mov	cr4, eax
	mov	eax, pml4
	mov	cr3, eax
	mov	ecx, EFER
	rdmsr
	or	eax, LME
	wrmsr
	mov	eax, cr0
	or	eax, 1 << 31
	mov	cr0, eax
	jmp	CODE64:long_code

bits 64
long_code:
	mov	rax, 0x1122334455667788
	mov	r15, rax
long_store:
	mov	[abs watched64], r15
	mov	r14, 1
	add	r14, [abs watched64]
long_loaded:
	mov	ebx, r14d
	jmp	dword far [abs to32]

bits 32
back:	mov	eax, cr0
	and	eax, ~(1 << 31)
	mov	cr0, eax
	mov	ecx, EFER
	rdmsr
	and	eax, ~LME
	wrmsr
	mov	eax, ebx
	pop	ebp
	pop	edi
	pop	esi
	pop	ebx
	ret

section .data
to32:	dd back
	dw CODE32

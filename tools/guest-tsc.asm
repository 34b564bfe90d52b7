; SPDX-License-Identifier: MIT
;
; A whole program for the demo guest, as a flat file: prints "tsc N", the
; processor's time-stamp counter in decimal. Runs on 32- and 64-bit kernels.

bits 32
org 0x8048000

SYS_EXIT	equ 1
SYS_WRITE	equ 4
PT_LOAD		equ 1
RWX		equ 7

ehdr:	db	0x7f, "ELF", 1, 1, 1	; 32-bit, little-endian
	times 9 db 0
	dw	2, 3			; executable, 80386
	dd	1, start, phdr - ehdr, 0, 0
	dw	phdr - ehdr, phdr.end - phdr, 1, 0, 0, 0
phdr:	dd	PT_LOAD, 0, ehdr, ehdr, end - ehdr, end - ehdr, RWX, 0x1000
.end:

start:	rdtsc
	mov	edi, text.end - 1	; the newline is there
	mov	ecx, 10
	mov	ebx, edx
.digit:	xchg	eax, ebx		; EBX:EAX / 10, high half first
	xor	edx, edx
	div	ecx
	xchg	eax, ebx
	div	ecx
	add	dl, '0'
	dec	edi
	mov	[edi], dl
	mov	edx, eax
	or	edx, ebx
	jnz	.digit
	mov	ecx, edi
	sub	ecx, 4
	mov	dword [ecx], "tsc "
	mov	edx, text.end
	sub	edx, ecx
	mov	eax, SYS_WRITE
	mov	ebx, 1
	int	0x80
	mov	eax, SYS_EXIT
	xor	ebx, ebx
	int	0x80

text:	times 24 db 0
	db	10
.end:
end:

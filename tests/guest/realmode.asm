; SPDX-License-Identifier: MIT
; The 16-bit half of realmode.c: copied to 8000h, entered by real_switch with
; a routine's offset, left with AX and eight result words at 9000h.

global real_start, real_end, real_switch, real_routines
global real_routine_count, real_results
extern gdt

BASE	equ 0x8000
RESULTS	equ 0x9000
CODE16	equ 0x48
DATA16	equ 0x50
CODE32	equ 0x08
DATA32	equ 0x10
%define at(label) (BASE + label - real_start)

section .text
bits 32
; u32 real_switch(u32 routine)
real_switch:
	push	ebx
	push	esi
	push	edi
	push	ebp
	pushfd
	mov	ebx, [esp + 24]
	mov	dword [gdt + CODE16], 0x0000ffff
	mov	dword [gdt + CODE16 + 4], 0x00009b00
	mov	dword [gdt + DATA16], 0x0000ffff
	mov	dword [gdt + DATA16 + 4], 0x00009300
	sidt	[saved_idt]
	mov	[saved_esp], esp
	mov	edi, RESULTS
	xor	eax, eax
	mov	ecx, 8
	rep stosd
	jmp	CODE16:at(to_real)

back:
	mov	ax, DATA32
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	esp, [saved_esp]
	lidt	[saved_idt]
	mov	eax, edx
	popfd
	pop	ebp
	pop	edi
	pop	esi
	pop	ebx
	ret

section .data
align 4
saved_idt: dd 0, 0
saved_esp: dd 0
real_results: dd RESULTS
real_routine_count: dd (routines_end - real_routines) / 4
real_routines:
	dd at(plain), at(segments), at(interrupts), at(faults), at(big_real)
	dd at(flags), at(strings), at(stack32), at(moved_idt), at(calls)
	dd at(lmsw_back)
routines_end:

section .real align=16 exec
bits 16
real_start:
to_real:
	mov	ax, DATA16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	fs, ax
	mov	gs, ax
	mov	eax, cr0
	and	al, 0xfe
	mov	cr0, eax
	jmp	0:at(in_real)
in_real:
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	fs, ax
	mov	gs, ax
	mov	ss, ax
	mov	sp, 0x7ff0
	lidt	[at(real_idt)]
	mov	eax, 0x11223344
	mov	ecx, 5
	mov	edx, 0x55667788
	mov	esi, 0x99aabbcc
	call	bx
to_protected:
	cli
	xor	cx, cx
	mov	ds, cx
	mov	edx, eax
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	dword CODE32:back

real_idt: dw 0x3ff
	dd 0
other_idt: dw 0x3ff
	dd 0x9400

plain:	add	ax, 0x1111
	imul	cx, ax, 3
	shl	eax, cl
	mov	[RESULTS], eax
	mov	[RESULTS + 4], cx
	movzx	edx, cl
	add	eax, edx
	xchg	ah, al
	pushf
	pop	word [RESULTS + 8]
	and	word [RESULTS + 8], 0x0ed5
	ret

segments:
	mov	bx, 0x1000
	mov	ds, bx
	mov	word [0x20], 0x4321
	mov	bx, 0x0ff0
	mov	es, bx
	mov	ax, [es:0x120]
	mov	bx, 0xffff		; wraps not, or into the high area
	mov	es, bx
	mov	dword [es:0x10], 0xfeedface
	xor	bx, bx
	mov	ds, bx
	mov	[RESULTS], ax
	mov	[RESULTS + 4], es
	mov	[RESULTS + 8], cs
	mov	bx, [es:0x10]
	mov	[RESULTS + 12], bx
	ret

%macro vector 2
	mov	word [%1 * 4], at(%2)
	mov	word [%1 * 4 + 2], 0
%endmacro

interrupts:
	vector	0x60, on_int
	mov	ax, 7
	int	0x60
	mov	[RESULTS], ax
	stc
	int	0x60
	setc	[RESULTS + 4]
	pushf
	push	cs
	call	on_int
	mov	[RESULTS + 8], sp
	ret
on_int:	add	ax, 0x100
	mov	bp, sp
	mov	bx, [bp]
	sub	bx, at(interrupts)
	mov	[RESULTS + 16], bx
	mov	bx, [bp + 4]
	and	bx, 0x0ed5
	mov	[RESULTS + 20], bx
	iret

faults:	vector	0, on_div
	vector	6, on_ud
	vector	13, on_gp
	xor	ax, ax
	div	al
	ud2
	mov	eax, [0xfffd]		; runs over 64 KiB
	mov	[RESULTS + 12], ax
	ret
on_div:	mov	bp, sp
	add	word [bp], 2
	inc	word [RESULTS]
	iret
on_ud:	mov	bp, sp
	add	word [bp], 2
	inc	word [RESULTS + 4]
	iret
on_gp:	mov	bp, sp
	add	word [bp], 4
	inc	word [RESULTS + 8]
	iret

; Limits of 4 GiB loaded in protected mode stay in real mode.
big_real:
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	mov	bx, DATA32
	mov	es, bx
	and	al, 0xfe
	mov	cr0, eax
	xor	ax, ax
	mov	edi, 0x200000
	mov	dword [es:edi], 0xcafe1234
	mov	eax, [es:edi]
	mov	[RESULTS], eax
	ret

flags:	pushfd
	pop	eax
	or	eax, 0x247000
	push	eax
	popfd
	pushfd
	pop	dword [RESULTS]
	push	word 0x0002
	popf
	pushf
	pop	word [RESULTS + 4]
	push	dword 2
	popfd
	lahf
	ret

strings:
	mov	di, 0x90e0		; below too: the copy down reads there
	mov	al, 0x5a
	mov	cx, 0x30
	rep stosb
	mov	[RESULTS], di
	mov	si, 0x9100
	mov	di, 0x9108
	mov	cx, 12
	std
	rep movsb
	cld
	mov	[RESULTS + 4], si
	mov	[RESULTS + 8], di
	mov	esi, 0x9100
	mov	ecx, 4
	xor	eax, eax
	a32 rep lodsb
	mov	[RESULTS + 12], ecx
	mov	[RESULTS + 16], esi
	ret

stack32:
	pushad
	push	dword 0x12345678
	pop	ax
	pop	bx
	mov	[RESULTS], ax
	mov	[RESULTS + 4], bx
	mov	bp, sp
	mov	ax, [bp + 28]
	popad
	enter	16, 0
	mov	[RESULTS + 8], sp
	leave
	mov	[RESULTS + 12], sp
	ret

moved_idt:
	lidt	[at(other_idt)]
	mov	word [0x9400 + 0x61 * 4], at(on_other)
	mov	word [0x9400 + 0x61 * 4 + 2], 0
	int	0x61
	sidt	[RESULTS + 8]
	lidt	[at(real_idt)]
	ret
on_other:
	mov	dword [RESULTS], 0x0ddba11
	iret

calls:	call	0:at(far_one)
	mov	[RESULTS], ax
	mov	bx, at(near_one)
	call	bx
	mov	[RESULTS + 4], ax
	mov	[RESULTS + 8], sp
	jcxz	.skip
	loop	.skip
	nop
.skip:	mov	[RESULTS + 12], cx
	ret
far_one:
	add	ax, 1
	retf
near_one:
	add	ax, 2
	ret

; LMSW can set PE and not clear it.
lmsw_back:
	smsw	ax
	mov	[RESULTS], ax
	or	al, 1
	lmsw	ax
	smsw	ax
	mov	[RESULTS + 4], ax
	xor	cx, cx
	lmsw	cx
	smsw	ax
	mov	[RESULTS + 8], ax
	mov	eax, cr0
	and	al, 0xfe
	mov	cr0, eax
	ret
real_end:
section .note.GNU-stack noalloc noexec nowrite progbits

; SPDX-License-Identifier: MIT
; 32 bits: handlers as short as the processor allows, the user halves of the system
; calls, and calls that no compiler may touch.

bits 32
REGION	equ 0x40000000
PIC1	equ 0x20
PIT0	equ 0x40
PIT_CMD	equ 0x43
EOI	equ 0x20

global on_return, on_skip, on_skip_error, on_demand, on_timer
global on_timer_latch, on_syscall, demand_leaf, demand_shift, demand_entry
global timer_count, timer_late, timer_reload
global user_count, user_int80, user_syscall
global call_targets, call_once, call_indirect

section .text

on_return:
	iretd

; The faulting instruction is two bytes long: go on behind it.
on_skip:
	add	dword [esp], 2
	iretd

on_skip_error:
	add	esp, 4
	add	dword [esp], 2
	iretd

; Map the page and try again.
on_demand:
	push	eax
	push	ecx
	mov	eax, cr2
	sub	eax, REGION
	shr	eax, 12
	mov	ecx, [demand_shift]
	shl	eax, cl
	add	eax, [demand_leaf]
	mov	ecx, [demand_entry]
	mov	[eax], ecx
	pop	ecx
	pop	eax
	add	esp, 4
	iretd

on_timer:
	push	eax
	inc	dword [timer_count]
	mov	al, EOI
	out	PIC1, al
	pop	eax
	iretd

; How long after the timer's period began we are here, in its ticks.
on_timer_latch:
	push	eax
	push	ecx
	mov	al, 0
	out	PIT_CMD, al
	in	al, PIT0
	mov	cl, al
	in	al, PIT0
	mov	ch, al
	movzx	ecx, cx
	mov	eax, [timer_reload]
	sub	eax, ecx
	add	[timer_late], eax
	inc	dword [timer_count]
	mov	al, EOI
	out	PIC1, al
	pop	ecx
	pop	eax
	iretd

on_syscall:
	sti
	sysexit

; At CPL 3, user_count times; then a privileged instruction ends it.
user_int80:
	mov	ebx, [user_count]
.again:
	int	0x80
	dec	ebx
	jnz	.again
	hlt

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

%assign n 0
%rep 64
align 16
target%[n]:
	ret
%assign n n+1
%endrep

section .data
align 4
call_targets:
%assign n 0
%rep 64
	dd target%[n]
%assign n n+1
%endrep

section .bss
align 4
demand_leaf: resd 1
demand_shift: resd 1		; of a page number to its entry's offset
demand_entry: resd 1
timer_count: resd 1
timer_late: resd 1
timer_reload: resd 1
user_count: resd 1

section .note.GNU-stack noalloc noexec nowrite progbits

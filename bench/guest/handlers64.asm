; SPDX-License-Identifier: MIT
; 64 bits: handlers as short as the processor allows, the user halves of the
; system calls, and calls that no compiler may touch.

bits 64
default abs
REGION	equ 0x40000000
PIC1	equ 0x20
PIT0	equ 0x40
PIT_CMD	equ 0x43
EOI	equ 0x20

global on_return, on_skip, on_skip_error, on_demand, on_timer
global on_timer_latch, on_syscall, demand_leaf, demand_shift, demand_entry
global timer_count, timer_late, timer_reload
global user_count, user_int80, user_syscall
global call_once, call_indirect

section .text

on_return:
	iretq

; The faulting instruction is two bytes long: go on behind it.
on_skip:
	add	qword [rsp], 2
	iretq

on_skip_error:
	add	rsp, 8
	add	qword [rsp], 2
	iretq

; Map the page and try again.
on_demand:
	push	rax
	push	rcx
	mov	rax, cr2
	sub	rax, REGION
	shr	rax, 12
	mov	ecx, [demand_shift]
	shl	rax, cl
	add	rax, [demand_leaf]
	mov	ecx, [demand_entry]
	mov	[rax], ecx
	pop	rcx
	pop	rax
	add	rsp, 8
	iretq

on_timer:
	push	rax
	inc	dword [timer_count]
	mov	al, EOI
	out	PIC1, al
	pop	rax
	iretq

; How long after the timer's period began we are here, in its ticks.
on_timer_latch:
	push	rax
	push	rcx
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
	pop	rcx
	pop	rax
	iretq

on_syscall:
	o64 sysret

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

%assign n 0
%rep 64
align 16
target%[n]:
	ret
%assign n n+1
%endrep

section .data
align 8
call_targets:
%assign n 0
%rep 64
	dq target%[n]
%assign n n+1
%endrep

section .bss
alignb 8
demand_leaf: resq 1
demand_shift: resd 1		; of a page number to its entry's offset
demand_entry: resd 1
timer_count: resd 1
timer_late: resd 1
timer_reload: resd 1
user_count: resd 1

section .note.GNU-stack noalloc noexec nowrite progbits

; SPDX-License-Identifier: MIT
; The stubs: all that translated code can reach outside the cache. See
; bt/abi.h for registers and for what each stub means. Position-independent,
; and the same in the monitor and in a host test.

%include "bt/state.inc"

extern bt_on_link, bt_on_callout, bt_on_stale, bt_on_interp, bt_on_dispatch
extern bt_on_store, bt_on_stored, bt_on_port
extern bt_resume, bt_leave, bt_user_go

section .text

; Call C with the guest's state in the vcpu, and go where it says. %1 = the C
; function. CALL stubs have the return address in r8.
%macro BT_CALL_C 1
	BT_SAVE_GUEST
	mov	rdi, r15
	mov	rsi, r8
	call	%1
	jmp	finish
%endmacro

; Stubs that are called take the return address off: rsp never differs.
%macro BT_CALLED_STUB 1
global bt_stub_%1
bt_stub_%1:
	pop	r8
	BT_CALL_C bt_on_%1
%endmacro

BT_CALLED_STUB link
BT_CALLED_STUB callout
BT_CALLED_STUB stale

; A store: C gets its address (r9d) and value (r8d), and only what C may change
; is saved, upper halves and all, since the block nearly always goes on. Where
; it does not, all is as it was for one of the stubs above. rsp is odd by the
; return address.
%macro BT_SAVE_CALLER_SAVED 0
	mov	[r15 + GPR(0)], rax
	mov	[r15 + GPR(1)], rcx
	mov	[r15 + GPR(2)], rdx
	mov	[r15 + GPR(6)], rsi
	mov	[r15 + GPR(7)], rdi
	lahf
	seto	al
	mov	[r15 + PLAIN(BT_IMAGE)], eax
	cld
%endmacro

%macro BT_LOAD_CALLER_SAVED 0
	test	dword [r15 + PLAIN(BT_DFLAG)], EFLAGS_DF
	jz	%%up
	std
%%up:
	mov	eax, [r15 + PLAIN(BT_IMAGE)]
	add	al, 7fh
	sahf
	mov	rax, [r15 + GPR(0)]
	mov	rcx, [r15 + GPR(1)]
	mov	rdx, [r15 + GPR(2)]
	mov	rsi, [r15 + GPR(6)]
	mov	rdi, [r15 + GPR(7)]
	mov	r11, [r15 + PLAIN(BT_TAG_SPACE)]
%endmacro

global bt_stub_store, bt_store_tail, bt_store_tail_end
bt_stub_store:
	BT_SAVE_CALLER_SAVED
	mov	rdi, r15
	mov	esi, r9d
	mov	edx, r8d
	mov	rcx, [rsp]
	sub	rsp, 8
	call	bt_on_store
	add	rsp, 8
	test	eax, eax
	jnz	store_stops

; May be begun again at any instruction of it: after an event, for the test.
bt_store_tail:
	cmp	byte [r15 + VCPU_ATTENTION], 0
	jne	store_leaves
	BT_LOAD_CALLER_SAVED
	ret
bt_store_tail_end:

; A port, likewise: bt_on_port finds at the place what it has to do.
global bt_stub_port
bt_stub_port:
	BT_SAVE_CALLER_SAVED
	BT_SAVE_COUNTS
	xor	r13d, r13d
	mov	rdi, r15
	mov	rsi, [rsp]
	sub	rsp, 8
	call	bt_on_port
	add	rsp, 8
	test	eax, eax
	jz	bt_store_tail

store_stops:
	cmp	eax, BT_STORE_REFUSED
	jne	store_leaves
	BT_LOAD_CALLER_SAVED
	jmp	bt_stub_callout

store_leaves:
	BT_LOAD_CALLER_SAVED
	pop	r8
	BT_CALL_C bt_on_stored

; Only here may the next instruction be user code's.
global bt_stub_interp
bt_stub_interp:
	BT_SAVE_GUEST
	mov	rdi, r15
	call	bt_on_interp
	lea	rcx, [rel bt_user_go]
	cmp	rax, rcx
	jne	finish
	jmp	bt_user_go

; r8 = EIP to go on at, which the target table does not know.
global bt_stub_miss
bt_stub_miss:
	mov	r8d, r8d
	mov	[r15 + VCPU_RIP], r8
	mov	r8, [r15 + PLAIN(BT_IND_MISSES)]
	lea	r8, [r8 + 1]
	mov	[r15 + PLAIN(BT_IND_MISSES)], r8

global bt_stub_exit
bt_stub_exit:
	BT_CALL_C bt_on_dispatch

; rax = where to go on, or 0.
finish:
	test	rax, rax
	jz	bt_leave
	jmp	bt_resume

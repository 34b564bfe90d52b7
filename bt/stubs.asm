; SPDX-License-Identifier: MIT
; The stubs: all that translated code can reach outside the cache. See
; bt/abi.h for registers and for what each stub means. Position-independent,
; and the same in the monitor and in a host test.

%include "bt/state.inc"

extern bt_on_link, bt_on_callout, bt_on_stale, bt_on_interp, bt_on_dispatch
extern bt_resume, bt_leave

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

global bt_stub_interp
bt_stub_interp:
	BT_CALL_C bt_on_interp

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

; SPDX-License-Identifier: MIT
; kernel/native.asm beside what stands in for it in host tests.

%define host_native_call	real_native_call
%define native_abort		real_native_abort
%define native_rsp		real_native_rsp
default rel
global real_native_end

%include "kernel/native.asm"

section .text
real_native_end:

; SPDX-License-Identifier: MIT
; The way in: Multiboot 1 and 2 headers, and the 32-bit entry that both share.
; It checks for long mode and NX, maps the first 4 GiB three times (where it
; is, at the direct map, and the image at its link address), and jumps to the
; upper half. kernel/paging.c later replaces these tables.

%include "offsets.inc"

%define PHYS(x) ((x) + 0x80000000)	; link address to load address
DIRECT_PML4	equ 256
IMAGE_PDPT	equ 510

MB1_MAGIC	equ 0x1badb002
MB1_FLAGS	equ 1 << 0 | 1 << 1 | 1 << 16	; aligned modules, memory, addresses
MB2_MAGIC	equ 0xe85250d6

COM1		equ 0x3f8

extern image_phys_start, image_phys_load_end, image_phys_end
extern stack_top, boot_main
global start

section .boot.header progbits alloc noexec nowrite align=8

mb1_header:
	dd MB1_MAGIC
	dd MB1_FLAGS
	dd -(MB1_MAGIC + MB1_FLAGS)
	dd mb1_header
	dd image_phys_start
	dd image_phys_load_end
	dd image_phys_end
	dd start

	align 8
mb2_header:
	dd MB2_MAGIC
	dd 0				; i386, protected mode
	dd mb2_end - mb2_header
	dd 0x100000000 - MB2_MAGIC - (mb2_end - mb2_header)
	; Information request, optional: command line, modules, memory map,
	; framebuffer. We ask for no framebuffer: a BIOS stays in text mode.
	align 8
.request:
	dw 1, 1
	dd .request_end - .request
	dd 1, 3, 6, 8
.request_end:
	align 8
	dw 6, 0				; modules on page boundaries
	dd 8
	dw 0, 0				; end of tags
	dd 8
mb2_end:

section .boot progbits alloc exec nowrite align=16
bits 32

; eax: which Multiboot, ebx: its information structure
start:
	cli
	cld
	mov esp, PHYS(boot_stack_end)
	mov ebp, eax
	call check_cpu
	call build_tables
	mov eax, PHYS(boot_pml4)
	mov cr3, eax
	mov eax, cr4
	or eax, 1 << 5			; PAE
	mov cr4, eax
	mov ecx, 0xc0000080		; EFER: LME, NXE
	rdmsr
	or eax, 1 << 8 | 1 << 11
	wrmsr
	mov eax, cr0
	and eax, ~(1 << 29 | 1 << 30)	; NW, CD
	or eax, 1 << 31 | 1 << 16 | 1	; PG, WP, PE
	mov cr0, eax
	lgdt [boot_gdtr]
	jmp 8:start64

; Stops with one line unless the CPU has long mode and NX. Keeps ebx, ebp.
check_cpu:
	push ebx
	mov esi, no_long_mode
	pushfd				; CPUID: is EFLAGS.ID writable?
	pop eax
	mov ecx, eax
	xor eax, 1 << 21
	push eax
	popfd
	pushfd
	pop eax
	xor eax, ecx
	test eax, 1 << 21
	jz refuse
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb refuse
	mov eax, 0x80000001
	cpuid
	bt edx, 29			; LM
	jnc refuse
	mov esi, no_nx
	bt edx, 20			; NX
	jnc refuse
	pop ebx
	ret

; One page directory per GiB of the first four, shared by all three mappings.
build_tables:
	mov edi, PHYS(boot_pds)
	mov eax, 0x83			; P, W, PS
	mov ecx, 4 * 512
.pde:
	mov [edi], eax
	add edi, 8
	add eax, 1 << 21
	loop .pde
	mov edi, PHYS(boot_pdpt)
	mov eax, PHYS(boot_pds) + 3
	mov ecx, 4
.pdpte:
	mov [edi], eax
	add edi, 8
	add eax, 4096
	loop .pdpte
	mov dword [PHYS(boot_image_pdpt) + IMAGE_PDPT * 8], PHYS(boot_pds) + 3
	mov dword [PHYS(boot_pml4)], PHYS(boot_pdpt) + 3
	mov dword [PHYS(boot_pml4) + DIRECT_PML4 * 8], PHYS(boot_pdpt) + 3
	mov dword [PHYS(boot_pml4) + 511 * 8], PHYS(boot_image_pdpt) + 3
	ret

; Say the line at esi on COM1 and, in text mode, on the screen; then stop.
refuse:
	mov dx, COM1 + 3
	mov al, 0x80			; divisor latch
	out dx, al
	mov dx, COM1
	mov al, 1			; 115200
	out dx, al
	inc dx
	xor al, al
	out dx, al
	mov dx, COM1 + 3
	mov al, 3			; 8n1
	out dx, al
	mov edi, 0xb8000
	call text_mode
	xchg ebx, eax
.next:
	lodsb
	test al, al
	jz .stop
	mov ah, al
	mov ecx, 100000			; a missing UART must not hang us
.wait:
	mov dx, COM1 + 5
	in al, dx
	test al, 0x20
	loopz .wait
	mov al, ah
	mov dx, COM1
	out dx, al
	test ebx, ebx
	jz .next
	cmp al, ' '
	jb .next
	mov ah, 0x4f
	stosw
	jmp .next
.stop:
	hlt
	jmp .stop

; eax = 1 if the VGA shows text at B8000: the Miscellaneous register says so.
text_mode:
	mov dx, 0x3ce
	mov al, 6
	out dx, al
	inc dx
	in al, dx
	and al, 0x0d
	cmp al, 0x0c
	sete al
	movzx eax, al
	ret

no_long_mode:
	db `penumbra: this CPU has no 64-bit mode; stopped.\r\n`, 0
no_nx:
	db `penumbra: this CPU has no execute-disable (NX), or it is off in the firmware; stopped.\r\n`, 0

	align 8
boot_gdt:
	dq 0
	dq 0x00209b0000000000		; 64-bit code
	dq 0x0000930000000000		; data
boot_gdtr:
	dw $ - boot_gdt - 1
	dd boot_gdt

bits 64
start64:
	mov rax, start_high
	jmp rax

section .text
bits 64

; Registers that hold the loader's bytes become the guest's: leave nothing.
start_high:
	mov eax, 16
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	mov rax, cr0
	and rax, ~(1 << 2 | 1 << 3)	; EM, TS
	mov cr0, rax
	mov rax, cr4
	or rax, 1 << 9 | 1 << 10	; OSFXSR, OSXMMEXCPT
	mov cr4, rax
	fninit
%assign i 0
%rep 16
	xorps xmm %+ i, xmm %+ i
%assign i i + 1
%endrep
	mov rsp, stack_top
	mov edi, ebp
	mov esi, ebx
	xor ebp, ebp			; the end of every call chain
	call boot_main
.park:	hlt
	jmp .park

section .bss nobits alloc noexec write align=4096
boot_pml4:	resb 4096
boot_pdpt:	resb 4096
boot_image_pdpt: resb 4096
boot_pds:	resb 4 * 4096
boot_stack:	resb 1024
boot_stack_end:

# SPDX-License-Identifier: MIT
"""A Linux kernel image without its decompressor.

The kernel's own first billions of instructions unpack it. Here that is done
beforehand: the new image has the old one's setup header, and its protected-
mode code is a few instructions that copy the unpacked kernel to its place and
jump there. EBX, ESI and all else stay as the boot protocol hands them over; a
64-bit kernel is entered in 64-bit mode, with 4 GiB mapped onto themselves. Its
addresses are not moved, so it must be told nokaslr. It says of itself that it
cannot be loaded elsewhere, so that GRUB starts it on the bare machine, too.
"""
import lzma
import struct
import zlib

from .guest import GuestError

HIGH_START = 0x100000  # where protected-mode code is loaded
RELOCATABLE = 0x234  # in the setup header: may be loaded elsewhere
XZ, GZIP = b"\xfd7zXZ\0", b"\x1f\x8b\x08"
PT_LOAD = 1


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def payload(image):
    """(bytes up to the protected-mode code, the unpacked payload)"""
    if image[0x202:0x206] != b"HdrS":
        raise GuestError("not a Linux kernel image")
    code = ((image[0x1f1] or 4) + 1) * 512
    start = code + u32(image, 0x248)
    data = image[start:start + u32(image, 0x24c)]
    if data.startswith(XZ):
        return image[:code], lzma.LZMADecompressor().decompress(data)
    if data.startswith(GZIP):
        return image[:code], zlib.decompressobj(31).decompress(data)
    raise GuestError("the kernel is packed in a way that is not known here")


def segments(elf):
    """(file offset, physical address, bytes in the file) of what is loaded."""
    wide = elf[4] == 2
    start = struct.unpack_from("<Q", elf, 32)[0] if wide else u32(elf, 28)
    size, count = struct.unpack_from("<HH", elf, 54 if wide else 42)
    for at in range(start, start + size * count, size):
        if wide:
            kind, _, offset, _, address, length = struct.unpack_from(
                "<IIQQQQ", elf, at)
        else:
            kind, offset, _, address, length = struct.unpack_from(
                "<IIIII", elf, at)
        if kind == PT_LOAD and length:
            yield offset, address, length


def flat(elf):
    """(physical address, bytes) of an ELF file's segments."""
    if elf[:4] != b"\x7fELF" or elf[4] not in (1, 2):
        raise GuestError("the packed kernel is not an ELF file")
    loads = list(segments(elf))
    base = min(address for _, address, _ in loads)
    out = bytearray(max(address + length for _, address, length in loads) -
                    base)
    for offset, address, length in loads:
        out[address - base:address - base + length] = \
            elf[offset:offset + length]
    return base, bytes(out)


def copier(base, kernel):
    """Code that copies the kernel, which follows it, to base; backwards where
    the two overlap: forwards an interpreter does many words at once."""
    words = (len(kernel) + 3) // 4
    size = 32
    backwards = HIGH_START + size + 4 * words > base
    last = (words - 1) * 4 if backwards else 0
    code = b"\x89\xf0"                                         # mov eax, esi
    code += b"\xbe" + struct.pack("<I", HIGH_START + size + last)
    code += b"\xbf" + struct.pack("<I", base + last)
    code += b"\xb9" + struct.pack("<I", words)
    code += b"\xfd" if backwards else b"\xfc"                  # std or cld
    code += b"\xf3\xa5\xfc"                # rep movsd; cld
    code += b"\x89\xc6"                                        # mov esi, eax
    code += b"\xb8" + struct.pack("<I", base) + b"\xff\xe0"    # jmp base
    return code.ljust(size, b"\x90")


TABLES = 0x40000  # six pages of low memory


def copier64(base, kernel):
    """The same for a 64-bit kernel, entered in 64-bit mode."""
    words = (len(kernel) + 3) // 4
    size = 0xc0
    wide, gdt, gdtr = 0x92, 0xa0, 0xb8  # offsets of what follows
    p32 = struct.Struct("<I").pack
    code = b"\x89\xf5"                               # mov ebp, esi
    code += b"\xbe" + p32(HIGH_START + size + (words - 1) * 4)
    code += b"\xbf" + p32(base + (words - 1) * 4)
    code += b"\xb9" + p32(words)
    code += b"\xfd\xf3\xa5\xfc"                      # std; rep movsd; cld
    code += b"\xbf" + p32(TABLES)                    # clear the tables
    code += b"\xb9" + p32(6 * 1024) + b"\x31\xc0\xf3\xab"
    code += b"\xc7\x05" + p32(TABLES) + p32(TABLES + 0x1003)
    code += b"\xbf" + p32(TABLES + 0x1000)           # 4 directories
    code += b"\xb8" + p32(TABLES + 0x2003) + b"\xb1\x04"
    code += b"\xab\x83\xc7\x04\x05" + p32(0x1000) + b"\xe2\xf5"
    code += b"\xbf" + p32(TABLES + 0x2000)           # 2,048 large pages
    code += b"\xb8" + p32(0x83) + b"\xb5\x08"
    code += b"\xab\x83\xc7\x04\x05" + p32(0x200000) + b"\xe2\xf5"
    code += b"\xb8" + p32(TABLES) + b"\x0f\x22\xd8"  # CR3
    code += b"\xb8" + p32(0x20) + b"\x0f\x22\xe0"    # CR4.PAE
    code += b"\xb9" + p32(0xc0000080)                # EFER.LME
    code += b"\x0f\x32\x0f\xba\xe8\x08\x0f\x30"
    code += b"\x0f\x20\xc0\x0f\xba\xe8\x1f\x0f\x22\xc0"  # CR0.PG
    code += b"\x0f\x01\x15" + p32(HIGH_START + gdtr)  # lgdt
    code += b"\x89\xee\xea" + p32(HIGH_START + wide) + b"\x08\0"
    assert len(code) == wide
    code += b"\xb8" + p32(base) + b"\xff\xe0"        # 64-bit: jmp base
    code = code.ljust(gdt, b"\x90")
    code += struct.pack("<QQQ", 0, 0xaf9b000000ffff, 0xcf93000000ffff)
    assert len(code) == gdtr
    code += struct.pack("<HI", 23, HIGH_START + gdt)
    return code.ljust(size, b"\0")


def unpack_linux(path, out):
    """Write the unpacked form of the kernel image at `path` to `out`."""
    with open(path, "rb") as file:
        head, elf = payload(file.read())
    base, kernel = flat(elf)
    head = head[:RELOCATABLE] + b"\0" + head[RELOCATABLE + 1:]
    with open(out, "wb") as file:
        copy = copier64 if elf[4] == 2 else copier
        file.write(head + copy(base, kernel) + kernel)

# SPDX-License-Identifier: MIT
"""A Linux kernel image without its decompressor.

The kernel's own first billions of instructions unpack it. Here that is done
beforehand: the new image has the old one's setup header, and its protected-
mode code is a few instructions that copy the unpacked kernel to its place and
jump there. EBX, ESI and all else stay as the boot protocol hands them over.
"""
import lzma
import struct
import zlib

from .guest import GuestError

HIGH_START = 0x100000  # where protected-mode code is loaded
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


def flat(elf):
    """(physical address, bytes) of a 32-bit ELF file's segments."""
    if elf[:5] != b"\x7fELF\x01":
        raise GuestError("the packed kernel is not a 32-bit ELF file")
    size, count = struct.unpack_from("<HH", elf, 42)
    rows = [struct.unpack_from("<IIIII", elf, u32(elf, 28) + i * size)
            for i in range(count)]
    loads = [row for row in rows if row[0] == PT_LOAD and row[4]]
    base = min(row[3] for row in loads)
    out = bytearray(max(row[3] + row[4] for row in loads) - base)
    for _, offset, _, address, length in loads:
        out[address - base:address - base + length] = \
            elf[offset:offset + length]
    return base, bytes(out)


def copier(base, kernel):
    """Code that copies the kernel, which follows it, to base; backwards,
    since the two may overlap."""
    words = (len(kernel) + 3) // 4
    size = 32
    last = (words - 1) * 4
    code = b"\x89\xf0"                                         # mov eax, esi
    code += b"\xbe" + struct.pack("<I", HIGH_START + size + last)
    code += b"\xbf" + struct.pack("<I", base + last)
    code += b"\xb9" + struct.pack("<I", words)
    code += b"\xfd\xf3\xa5\xfc"             # std; rep movsd; cld
    code += b"\x89\xc6"                                        # mov esi, eax
    code += b"\xb8" + struct.pack("<I", base) + b"\xff\xe0"    # jmp base
    return code.ljust(size, b"\x90")


def unpack_linux(path, out):
    """Write the unpacked form of the kernel image at `path` to `out`."""
    with open(path, "rb") as file:
        head, elf = payload(file.read())
    base, kernel = flat(elf)
    with open(out, "wb") as file:
        file.write(head + copier(base, kernel) + kernel)

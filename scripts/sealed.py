"""Files that scanmf has written, opened when every byte of them has matched its checksums."""
import os
import struct
import zlib

import h5py

# Behind the HDF5 file: a CRC-32 of each block of it, then this: who wrote it, version, bytes covered, bytes of a block.
FOOTER = struct.Struct("<16sQQQ")
WRITER = b"scanmf checksums"


def has_whole_checksums(path):
    """False: there are none. Raises ValueError where they do not match."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if size < FOOTER.size:
            return False
        file.seek(size - FOOTER.size)
        writer, version, covered, block = FOOTER.unpack(file.read(FOOTER.size))
        if writer != WRITER or version != 1:
            return False
        count = -(-covered // block) if block > 0 else -1
        whole = covered + 4 * count + FOOTER.size == size
        file.seek(covered if whole else 0)
        checksums = struct.unpack(f"<{count}I", file.read(4 * count)) if whole else ()
        file.seek(0)
        for begin, checksum in zip(range(0, covered, block), checksums):
            whole = whole and zlib.crc32(file.read(min(block, covered - begin))) == checksum
    if not whole:
        raise ValueError(f"{path} is damaged: its checksums do not match; take a copy of it, or write it again")
    return True


def open_sealed(path, kinds):
    """The h5py.File; kinds: formats that it may have, and what these are called."""
    sealed = has_whole_checksums(path)
    file = h5py.File(path, "r")
    kind = file.attrs.get("format")
    kind = kind.decode(errors="replace") if isinstance(kind, bytes) else kind
    if kind not in kinds:
        file.close()
        raise ValueError(f"'{path}' is {' and '.join(['no ' + name for name in kinds.values()])} of scanmf")
    if kind == "scanmf-ensemble" and not sealed:
        file.close()
        raise ValueError(f"'{path}' has no checksums: another program wrote it again, or it is not whole: take the "
                         "file that scanmf ensemble wrote")
    return file

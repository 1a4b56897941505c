"""Ways to spoil a file: its bytes, or what an HDF5 file says; and the checksums of scanmf's own files, made right again
afterwards."""
import gzip
import io
import struct
import warnings
import zipfile
import zlib

import h5py
import numpy as np

MAGIC = b"scanmf checksums"
BLOCK = 1 << 20
FOOTER = len(MAGIC) + 24
WORDS = [
    0, 1, 2, 3, 7, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**60, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 1
]


def covered(contents):
    """The bytes of a file without its checksums, and whether it had some."""
    if contents[-FOOTER:-24] != MAGIC:
        return contents, False
    return contents[:struct.unpack("<Q", contents[-16:-8])[0]], True


def sealed(contents):
    """The same bytes with right checksums."""
    contents = covered(contents)[0]
    contents += bytes(-len(contents) % 8)
    sums = [zlib.crc32(contents[at:at + BLOCK]) for at in range(0, len(contents), BLOCK)]
    return contents + struct.pack(f"<{len(sums)}I", *sums) + MAGIC + struct.pack("<3Q", 1, len(contents), BLOCK)


def is_refused(path, is_checkpoint):
    """Whether a model's checksums are wrong; a checkpoint must have right ones. (A model without any was written again
    by another program.)"""
    with open(path, "rb") as file:
        contents = file.read()
    has_checksums = covered(contents)[1]
    return sealed(contents) != contents if has_checksums else is_checkpoint


def seal(path):
    with open(path, "rb") as file:
        contents = file.read()
    with open(path, "wb") as file:
        file.write(sealed(contents))


def spoil_bytes(contents, random):
    """The bytes of a file with some of them changed, missing or added."""
    changed = bytearray(contents)
    for _ in range(random.choice([1, 1, 1, 2, 4, 16])):
        at = random.randrange(max(1, len(changed)))
        how = random.randrange(8)
        if how < 3:
            changed[at:at + 1] = bytes([random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])])
        elif how == 3:
            changed[at:at + 1] = bytes([changed[at] ^ 1 << random.randrange(8)] if changed else [])
        elif how == 4:
            at -= at % 4
            changed[at:at + 8] = struct.pack("<Q", random.choice(WORDS))
        elif how == 5:
            width = random.choice([4, 8, 64, 512])
            changed[at:at + width] = bytes([random.choice([0, 0xFF])]) * len(changed[at:at + width])
        elif how == 6:
            there = random.randrange(max(1, len(changed)))
            changed[at:at + 16] = changed[there:there + 16]
        elif random.randrange(4) == 0:
            del changed[at:]
        else:
            del changed[at:at + random.randrange(1, 9)]
    return bytes(changed)


def spoil_text(contents, random):
    """Bytes, and numbers that no matrix should hold."""
    if random.randrange(2):
        return spoil_bytes(contents, random)
    words = contents.replace(b",", b" , ").replace(b"\n", b" \n ").split(b" ")
    odd = [
        b"1e400", b"-1e400", b"99999999999999999999", b"-9223372036854775809", b"nan", b"inf", b"-1", b"0x10", b"",
        b"\0", b"1e-400", b"\xff\xfe", b"9" * 400, b"%", b"%%MatrixMarket", b"\"", b"4611686018427387904"
    ]
    for _ in range(random.choice([1, 1, 2, 5])):
        words[random.randrange(len(words))] = random.choice(odd)
    return b" ".join(words).replace(b" , ", b",").replace(b" \n ", b"\n")


ODD_SETTINGS = [
    b"n-components", b"max-iter", b"tol", b"init", b"solver", b"output", b"config", b"checkpoint", b"log-json",
    b"memory", b"threads", b"X", b"=", b"==", b"#", b" # ", b"-1", b"1e400", b"nan", b"auto", b"none", b"true", b"o.h5",
    b"99999999999999999999", b"\0", b"\xff\xfe", b"[section]", b"--quiet", b"\\", b"\"", b"a" * 5000, b"\r", b"\t"
]


def spoil_settings(contents, random):
    """Lines of "name = value" with other names and values."""
    if random.randrange(3) == 0:
        return spoil_bytes(contents, random)
    lines = contents.split(b"\n")
    for _ in range(random.choice([1, 1, 2, 4])):
        at = random.randrange(len(lines))
        words = lines[at].split(b" ")
        words[random.randrange(len(words))] = random.choice(ODD_SETTINGS)
        lines[at:at + random.randrange(2)] = [b" ".join(words)]
    return b"\n".join(lines)


def spoil_npy(contents, random):
    """Bytes, or another header of the right length: shapes, types and orders."""
    if contents[:6] != b"\x93NUMPY" or random.randrange(2):
        return spoil_bytes(contents, random)
    end = 10 + struct.unpack("<H", contents[8:10])[0]
    number = lambda: random.choice([*WORDS, -1, 40, 12, 41, 11, 480, "", "x", 1.5])
    shapes = [
        f"({number()}, {number()})", f"({number()}, 12)", f"(40, {number()})", f"({number()},)", "()", "[40, 12]",
        f"({number()}, {number()}, {number()})", "(40, 12", "(" * 500
    ]
    kinds = [
        "<f8", ">f8", "<f4", "<f2", "|u1", "<i8", ">u2", "|b1", "|O", "<c16", "<U4", "|S8", "|V8", "<f99", "", "<M8"
    ]
    header = {"descr": "'<f8'", "fortran_order": "False", "shape": "(40, 12)"}
    for _ in range(random.choice([1, 1, 2])):
        key = random.choice(list(header))
        header[key] = random.choice(shapes) if key == "shape" else random.choice(
            ["True", "False", "1", "None"]) if key == "fortran_order" else f"'{random.choice(kinds)}'"
    if random.randrange(8) == 0:
        del header[random.choice(list(header))]
    text = "{" + ", ".join(f"'{key}': {value}" for key, value in header.items()) + "}"
    length = max(len(text) + 1, 118) if random.randrange(8) else random.choice([0, 1, len(text), 2**16 - 1])
    return contents[:8] + struct.pack("<H", length) + text.encode().ljust(length - 1) + b"\n" + contents[end:]


def spoil_idx(contents, random):
    """Bytes, most of them in the header: types and sizes."""
    if random.randrange(2):
        return spoil_bytes(contents, random)
    changed = bytearray(contents)
    for _ in range(random.choice([1, 1, 2])):
        if random.randrange(3) == 0:
            changed[random.randrange(4)] = random.choice([0, 1, 2, 4, 8, 9, 11, 12, 13, 14, 255])
        else:
            at = 4 + 4 * random.randrange(3)
            odd = random.choice([0, 1, 3, 5, 40, 41, 2**16, 2**31 - 1, 2**31, 2**32 - 1])
            changed[at:at + 4] = struct.pack(">I", odd)
    return bytes(changed)


def spoil_archive(contents, random):
    """Bytes of a zip archive, or of what it holds, packed again; arrays under other names, twice, or missing."""
    if random.randrange(3) == 0:
        return spoil_bytes(contents, random)
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    for _ in range(random.choice([1, 1, 2])):
        at = random.randrange(len(members))
        how = random.randrange(8)
        if how == 0 and len(members) > 1:
            del members[at]
        elif how == 1:
            members[at][0] = random.choice(
                ["x.npy", "../x.npy", "", "format.npy", "shape.npy", "data", "a" * 300 + ".npy"])
        elif how == 2:
            members.append([random.choice(["y.npy", "row.npy", members[at][0]]), members[at][1]])
        else:
            members[at][1] = spoil_npy(members[at][1], random)
    packed = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of one name
        with zipfile.ZipFile(packed, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name, member in members:
                archive.writestr(zipfile.ZipInfo(name), member, archive.compression)
    return packed.getvalue()


def spoil_packed_text(contents, random):
    """What gzip holds, packed again; or the bytes of the package."""
    if random.randrange(3) == 0:
        return spoil_bytes(contents, random)
    return gzip.compress(spoil_text(gzip.decompress(contents), random), 1, mtime=0)


def odd_value(random):
    return random.choice([
        -1, 0, 2**62, 2**63 - 1, -2**63, np.nan, np.inf, -np.inf, 1e300, "", "x", "nmf" * 9, b"\xff\xfe", True,
        np.zeros(5),
        np.zeros(0),
        np.zeros((2, 2), int),
        np.array(["a", "b"], "S"),
        np.float32(1.5),
        np.int8(3),
        h5py.Empty("f8")
    ])


def odd_number(old, random):
    """Another value of the same type, where the old one is a number: others are refused for their type already."""
    kind = np.asarray(old).dtype
    if np.ndim(old) or kind.kind not in "iuf" or random.randrange(2):
        return odd_value(random)
    if kind.kind == "f":
        return kind.type(random.choice([0, -1, 1.5, np.nan, np.inf, -np.inf, 1e300]))
    limits = np.iinfo(kind)
    return kind.type(random.choice([0, limits.min, limits.max, limits.max // 2, max(limits.min, -1), 1, 2, 7]))


def odd_shape(shape, random):
    shape = list(shape)
    if not shape or random.randrange(4) == 0:
        return random.choice([(), (0, ), (1, ), (2**30, ), (2**62, ), (3, 0), (0, 3), (2**31, 2**31), (2, 2, 2),
                              (2**40, 12)])
    axis = random.randrange(len(shape))
    shape[axis] = random.choice([0, 1, max(0, shape[axis] - 1), shape[axis] + 1, 2 * shape[axis], 2**30, 2**33, 2**60])
    return tuple(shape)


def replace_dataset(file, name, random):
    """Another shape, type or contents under the same name; shapes that would be large are stated and never written."""
    old = file[name]
    attributes = dict(old.attrs)
    values = old[()] if old.size is not None and old.size < 10**6 else np.zeros(3)
    how = random.randrange(6)
    shape, dtype = old.shape, old.dtype
    del file[name]
    if how == 0:
        shape = odd_shape(shape, random)
        chunks = tuple(max(1, min(64, length)) for length in shape) if shape and random.randrange(2) else None
        space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if chunks:
            properties.set_chunk(chunks)
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, dcpl=properties)
    elif how == 1:
        kinds = [
            "f2", "f4", "f8", ">f8", "i1", "u8", "i4", "S3", "S1", "?",
            np.dtype([("a", "f8"), ("b", "i4")]), "c16",
            h5py.string_dtype()
        ]
        file.create_dataset(name, shape if np.prod(shape, dtype=float) < 10**6 else (3, ), random.choice(kinds))
    elif how in (2, 3) and isinstance(values, np.ndarray) and values.dtype.kind in "fiu" and values.size:
        flat = values.reshape(-1).copy()
        odd = [0, 1, -1, np.nan, np.inf, 1e300] if flat.dtype.kind == "f" else [
            0, 1, np.iinfo(flat.dtype).max, np.iinfo(flat.dtype).min, flat.size
        ]
        for _ in range(random.choice([1, 3, flat.size])):
            flat[random.randrange(flat.size)] = random.choice(odd)
        file[name] = flat.reshape(values.shape)
    elif how == 4 and isinstance(values, np.ndarray) and values.ndim:
        cut = random.choice([values[:-1], values[:0], np.concatenate([values, values]), np.moveaxis(values, 0, -1)])
        if cut.dtype.kind == "O":
            file.create_dataset(name, data=cut, dtype=h5py.string_dtype())
        else:
            file[name] = cut
    elif how == 5:
        file.create_group(name)
    if name in file:
        for key, value in attributes.items():
            file[name].attrs[key] = value


def spoil_structure(path, random):
    """An HDF5 file that is whole, but says something else: attributes, shapes, types, elements, names."""
    with h5py.File(path, "r+") as file:
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            names = ["/"]
            file.visit(names.append)
            name = random.choice(["/", random.choice(names), random.choice(names)])  # the root has most to say
            item = file[name]
            if random.randrange(2) and len(item.attrs):
                key = random.choice(sorted(item.attrs))
                if random.randrange(4) == 0:
                    del item.attrs[key]
                else:
                    item.attrs[key] = odd_number(item.attrs[key], random)
            elif isinstance(item, h5py.Dataset):
                replace_dataset(file, name, random)
            elif name != "/" and random.randrange(3) == 0:
                del file[name]
            else:
                item.attrs[random.choice(["k", "shape", "_index", "encoding-type"])] = odd_value(random)

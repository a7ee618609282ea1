"""What a format's own library writes is what is read, of pictures and arrays (tests/properties.py)."""

import struct

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.properties import FLOAT, SEED, SIDE, WHOLE, file, numbers, plain, same, some

from headstart.data.open import open_source

# pictures


@some(16)
@given(
    st.sampled_from(["png", "bmp", "tif", "ppm", "webp", "tga", "pcx", "sgi", "jp2", "qoi", "gif", "apng"]),
    st.sampled_from(["L", "RGB", "RGBA", "LA", "1", "P"]),
    st.tuples(SIDE, SIDE), SEED,
)  # fmt: skip
def test_pictures(suffix, mode, size, seed):
    from PIL import Image

    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), np.uint8), "RGBA").convert(mode)
    wide = {"webp": ("RGB", "RGBA"), "ppm": ("L", "RGB", "1"), "qoi": ("RGB", "RGBA"), "gif": ("L", "P", "1")}
    wide |= {
        "bmp": ("L", "RGB", "1", "P"),
        "pcx": ("L", "RGB", "1", "P"),
        "sgi": ("L", "RGB", "RGBA"),
        "jp2": ("L", "RGB"),
    }
    assume(mode in wide.get(suffix, ("L", "RGB", "RGBA", "1", "P") if suffix == "tga" else (mode,)))
    how = {"webp": {"lossless": True, "exact": True}, "jp2": {"irreversible": False}, "apng": {"format": "PNG"}}
    with file(f"a.{suffix}") as path:
        picture.save(path, **how.get(suffix, {}))
        with Image.open(path) as again:
            given = np.asarray(again.convert("RGBA"), np.float64)
        alpha = given[..., 3:] / 255
        over = np.moveaxis(given[..., :3] * alpha + 255 * (1 - alpha), -1, 0)
        found = open_source(path.parent)[0]
    assert found.dtype == np.uint8 and len(found) in (1, 3)
    same(np.broadcast_to(found, over.shape), over, atol=1)


@some(10)
@given(st.integers(1, 8), st.sampled_from(["jpg", "tif", "png", "webp"]), st.sampled_from(["L", "RGB"]), SEED)
def test_pictures_stand_upright(turn, suffix, mode, seed):
    from PIL import Image, ImageOps

    ramp = np.add.outer(np.linspace(0, 150, 24), np.linspace(0, 100, 16)).astype(np.uint8)
    picture = Image.fromarray(ramp).convert(mode)
    exif = Image.Exif()
    exif[274] = turn
    with file(f"a.{suffix}") as path:
        picture.save(path, exif=exif)
        found = open_source(path.parent)[0]
    picture.getexif()[274] = turn
    upright = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    assert found.shape[1:] == upright.shape
    assert np.abs(found[0].astype(float) - upright).mean() < 6


def gdal(scale, offset, bands):
    both = [
        f'<Item name="{name.upper()}" sample="{i}" role="{name}">{value!r}</Item>'
        for name, value in (("scale", scale), ("offset", offset)) for i in range(bands)
    ]  # fmt: skip
    return f"<GDALMetadata>{''.join(both)}</GDALMetadata>"


@some(20)
@given(
    dtype=st.sampled_from(["u1", "u2", "i2", "i4", "u4", "f4", "f8"]), bands=st.integers(1, 6),
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)), big=st.booleans(), order=st.sampled_from("<>"),
    planar=st.sampled_from(["contig", "separate"]), colours=st.booleans(),
    packed=st.sampled_from([None, "zlib", "lzw", "packbits"]), tile=st.booleans(), predictor=st.booleans(), hole=st.booleans(),
    scale=st.sampled_from([(1.0, 0.0), (0.0001, 0.0), (0.5, -20.0)]), seed=SEED,
)  # fmt: skip
@example("u1", 1, (8, 9), True, ">", "contig", False, None, False, False, False, (1.0, 0.0), 0)
@example("u2", 3, (8, 9), False, "<", "contig", True, None, False, False, True, (0.5, -20.0), 0)
def test_bands_of_tiff(dtype, bands, size, big, order, planar, colours, packed, tile, predictor, hole, scale, seed):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    rng = np.random.default_rng(seed)
    stored = numbers(rng, (bands, *size), dtype)
    expected = stored.astype(np.float64)
    missing = int(stored[0, 0, 0]) if stored.dtype.kind in "iu" else -9999.0
    tags = []
    if scale != (1, 0):
        tags.append((42112, "s", 0, gdal(*scale, bands), True))
        expected = expected * scale[0] + scale[1]
    if hole:
        stored[:, 0, 0] = stored[-1, -1, -1] = missing
        expected[stored == missing] = np.nan
        tags.append((42113, "s", 0, repr(missing), True))
    contig = planar == "contig" and bands > 1
    colours = colours and bands == 3
    with file("a.tif") as path:
        tifffile.imwrite(
            path, np.moveaxis(stored, 0, -1) if contig else stored if bands > 1 else stored[0], bigtiff=big,
            byteorder=order, photometric="rgb" if colours else "minisblack", planarconfig=planar if bands > 1 else None,
            compression=packed, extratags=tags, tile=(16, 16) if tile else None,
            predictor=predictor and packed in ("zlib", "lzw"), metadata=None,
        )  # fmt: skip
        source = open_source(path.parent)
        found = source[0]
    seen = dtype in ("u1", "u2") and (bands == 1 or colours)
    assert source.kind == ("image" if seen else "multispectral")
    if source.kind == "image" and bands > 1:  # a pixel in colours is missing where all of them are
        partly = np.isnan(expected).any(0) & ~np.isnan(expected).all(0)
        expected[:, partly] = plain(found)[:, partly]
    same(found, expected)


@some(8)
@given(
    dtype=st.sampled_from(["u1", "u2", "i2", "f4"]), shape=st.tuples(st.integers(2, 5), st.integers(2, 20), st.integers(2, 20)),
    order=st.sampled_from("<>"), imagej=st.booleans(), seed=SEED,
)  # fmt: skip
def test_stacks_of_tiff(dtype, shape, order, imagej, seed):
    tifffile = pytest.importorskip("tifffile")
    imagej = imagej and dtype in ("u1", "u2", "f4")
    stored = numbers(np.random.default_rng(seed), shape, dtype)
    with file("a.tif") as path:
        tifffile.imwrite(
            path, stored, imagej=imagej, photometric="minisblack", **({"byteorder": order} if not imagej else {}),
            **({"metadata": {"axes": "ZYX"}} if imagej else {}),
        )  # fmt: skip
        source = open_source(path.parent)
        assert source.kind == "volume"
        same(source[0], stored[None])


# arrays


ARRAYS = {
    "series": st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 60)),
    "image": st.tuples(st.integers(1, 4), st.integers(17, 30), st.integers(17, 30)),
}


@some(16)
@given(st.data(), st.sampled_from(["npy", "npz", "npz, packed"]), st.sampled_from([*WHOLE, *FLOAT, "f2", "?"]), SEED)
def test_numpy(data, form, dtype, seed):
    kind = data.draw(st.sampled_from(sorted(ARRAYS)))
    shape = data.draw(ARRAYS[kind])
    order, axes = data.draw(st.sampled_from("<>")), data.draw(st.sampled_from("CF"))
    rng = np.random.default_rng(seed)
    values = rng.random(shape) < 0.5 if dtype == "?" else numbers(rng, shape, dtype)
    values = np.asarray(values.astype(np.dtype(dtype).newbyteorder(order)), order=axes)
    labels = rng.integers(0, 3, shape[0])
    with file(f"a.{form[:3]}") as path:
        if form == "npy":
            np.save(path, values)
        else:
            (np.savez_compressed if "packed" in form else np.savez)(path, x=values, y=labels)
        source = open_source(path, kind)
        assert len(source) == shape[0] and source.kind == kind
        if form != "npy":
            assert [source.classes[i] for i in source.labels] == [str(i) for i in labels]
        for i in range(shape[0]):
            expected = values[i].astype(np.float64) * (255 if dtype == "?" and kind == "image" else 1)
            same(source[i], expected.reshape(source[i].shape), rtol=1e-3 if dtype == "f2" else 2e-6)


@some(8)
@given(st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E]), st.booleans(), ARRAYS["image"], SEED)
def test_idx(code, packed, shape, seed):
    import gzip

    dtype = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}[code]
    values = numbers(np.random.default_rng(seed), shape, dtype)
    data = bytes([0, 0, code, 3]) + struct.pack(">3I", *shape) + values.tobytes()
    with file("a-images-idx3-ubyte" + ".gz" * packed) as path:
        path.write_bytes(gzip.compress(data) if packed else data)
        source = open_source(path, "image")
        for i in range(len(source)):
            same(source[i], values[i][None])


ATTRIBUTES = st.fixed_dictionaries(
    {
        "scale": st.sampled_from([None, 0.01, 10.0]),
        "offset": st.sampled_from([None, 273.15, -5.0]),
        "fill": st.sampled_from([None, "_FillValue", "missing_value"]),
        "range": st.booleans(),
    }
)


def described(stored, says):
    """Attributes as the CF conventions have them, and what is meant by the stored numbers."""
    expected, attributes = stored.astype(np.float64), {}
    gone = np.zeros(stored.shape, bool)
    if says["fill"]:
        gap = stored.reshape(-1)[0]
        attributes[says["fill"]] = gap
        gone |= stored == gap
    if says["range"]:
        low, high = np.sort(stored.reshape(-1))[[len(stored) // 4, -1 - len(stored) // 4]]
        attributes["valid_range"] = np.array([low, high], stored.dtype)
        gone |= (stored < low) | (stored > high)
    if says["scale"] is not None:
        attributes["scale_factor"] = says["scale"]
        expected = expected * says["scale"]
    if says["offset"] is not None:
        attributes["add_offset"] = says["offset"]
        expected = expected + says["offset"]
    return attributes, np.where(gone, np.nan, expected)


@some(16)
@given(
    st.sampled_from([*WHOLE, *FLOAT]), st.sampled_from("<>"), ARRAYS["series"], ATTRIBUTES,
    st.sampled_from([None, "gzip", "lzf", "shuffle", "fletcher"]), st.sampled_from(["a.h5", "a.nc"]), SEED,
)  # fmt: skip
def test_hdf5(dtype, order, shape, says, packed, name, seed):
    h5py = pytest.importorskip("h5py")
    stored = numbers(np.random.default_rng(seed), shape, dtype).astype(np.dtype(dtype).newbyteorder(order))
    attributes, expected = described(stored, says)
    how = {"shuffle": {"shuffle": True, "compression": "gzip"}, "fletcher": {"fletcher32": True}, None: {}}
    with file(name) as path:
        with h5py.File(path, "w") as out:
            inside = out.create_group("deep/down") if name == "a.nc" else out
            made = inside.create_dataset(
                "x", data=stored, **how.get(packed, {"compression": packed}), **({"chunks": True} if packed else {})
            )
            made.attrs.update(attributes)
        source = open_source(path, "series")
        for i in range(len(source)):
            same(source[i], expected[i], rtol=1e-5, atol=1e-4)


@some(12)
@given(
    st.sampled_from([*WHOLE, *FLOAT]), st.sampled_from("<>"), ARRAYS["series"], ATTRIBUTES, st.sampled_from([2, 3]),
    st.sampled_from(["plain", "gzip", "zstd", "blosc"]), st.sampled_from("CF"), SEED,
)  # fmt: skip
def test_zarr(dtype, order, shape, says, version, packed, axes, seed):
    zarr = pytest.importorskip("zarr")
    from zarr import codecs

    stored = numbers(np.random.default_rng(seed), shape, dtype)
    attributes, expected = described(stored, says)
    if version == 2:
        import numcodecs

        packs = {"plain": None, "gzip": numcodecs.GZip(), "zstd": numcodecs.Zstd(), "blosc": numcodecs.Blosc()}
        how = {"order": axes, "dtype": stored.dtype.newbyteorder(order)}
    else:
        packs = {"plain": None, "gzip": codecs.GzipCodec(), "zstd": codecs.ZstdCodec(), "blosc": codecs.BloscCodec()}
        ends = {"<": "little", ">": "big"}
        wide = stored.dtype.itemsize > 1
        how = {"dtype": stored.dtype, "serializer": codecs.BytesCodec(endian=ends[order]) if wide else "auto"}
        how |= {"filters": [codecs.TransposeCodec(order=(2, 1, 0))]} if axes == "F" else {}
    with file("a.zarr") as path:
        array = zarr.create_array(
            str(path), shape=shape, chunks=tuple(max(1, n // 2) for n in shape), zarr_format=version,
            compressors=packs[packed], **how,
        )  # fmt: skip
        array[...] = stored
        array.attrs.update({k: np.asarray(v).tolist() for k, v in attributes.items()})
        source = open_source(path, "series")
        for i in range(len(source)):
            same(source[i], expected[i], rtol=1e-5, atol=1e-4)

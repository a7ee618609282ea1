"""What a format's own library writes is what is read: any shape, type, order of bytes and axes, compression and attribute."""

import csv
import json
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from headstart.data.open import open_source
from headstart.data.readers import columnar, delimited, jsonl


def some(examples):
    """So many examples, the same at every run."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip


SEED = st.integers(0, 2**32 - 1)
SIDE = st.integers(1, 40)
SIGNED = ("i1", "i2", "i4", "i8")
WHOLE = ("u1", "u2", "u4", *SIGNED)
FLOAT = ("f4", "f8")


@contextmanager
def file(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place) / name


def numbers(rng, shape, dtype):
    """Numbers over the whole range of a type that float32 holds as they are."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype("f4").astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**24)), min(info.max, 2**24)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def plain(sample):
    """A sample's numbers as float64, NaN where missing."""
    main = next(sample[k] for k in ("bands", "values") if k in sample) if isinstance(sample, dict) else sample
    return np.ma.MaskedArray(main).astype(np.float64).filled(np.nan)


def same(found, expected, **how):
    np.testing.assert_allclose(plain(found), expected, **({"rtol": 2e-6, "atol": 1e-6} | how))


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


# scans


def turned(rng):
    """Axes of a scan in any order and direction: a signed permutation [3, 3]."""
    return np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)


@some(16)
@given(
    st.sampled_from(["i2", "u1", "u2", "i4", "f4", "f8"]), st.tuples(*[st.integers(2, 6)] * 3), st.sampled_from([0, 0, 2]),
    st.sampled_from([(1.0, 0.0), (0.5, -3.0)]), st.sampled_from("<>"), st.sampled_from([1, 2]),
    st.sampled_from(["a.nii", "a.nii.gz"]), st.sampled_from(["mm", "meter", "micron", "unknown"]), SEED,
)  # fmt: skip
def test_nifti(dtype, shape, channels, scale, order, version, name, unit, seed):
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(seed)
    zooms = np.array([1.0, 2.0, 3.5])
    axes = turned(rng)
    affine = np.eye(4)
    affine[:3, :3] = axes * zooms
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = ijk @ affine[:3, :3].T  # x to the right, y to the front, z to the head
    slope = np.array([2.0, 5.0, 11.0])
    values = world @ slope
    values -= values.min()
    stored = np.round(values).astype(np.dtype(dtype).newbyteorder(order))
    if channels:
        stored = np.stack(
            [stored // (c + 1) if stored.dtype.kind in "iu" else stored / (c + 1) for c in range(channels)], -1
        )
    cls = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    with file(name) as path:
        image = cls(stored, affine, cls.header_class(endianness=order))
        image.set_data_dtype(stored.dtype)
        image.header.set_xyzt_units(unit)
        image.header.set_slope_inter(*scale)
        nibabel.save(image, path)
        meant = np.asarray(nibabel.load(path).dataobj, np.float64)
        source = open_source(path)
        found = source[0]
    assert source.kind == "volume"
    place = world.reshape(-1, 3)
    at = np.lexsort((place[:, 0], place[:, 1], place[:, 2]))
    flat = meant.reshape(*shape, -1).reshape(len(place), -1)[at]  # x fastest, then y, then z: as [D, H, W]
    same(found["values"].reshape(len(found["values"]), -1), flat.T, rtol=1e-5, atol=1e-4)
    by_axis = np.abs(axes) @ zooms  # along x, y, z of the patient
    same(found["spacing"], by_axis[::-1] * {"meter": 1e3, "micron": 1e-3}.get(unit, 1))


@some(16)
@given(
    bits=st.sampled_from([(8, 8), (16, 12), (16, 16)]), signed=st.booleans(), frames=st.sampled_from([1, 1, 3]),
    size=st.tuples(st.integers(2, 20), st.integers(2, 20)), white=st.booleans(), scale=st.sampled_from([(1, 0), (2, -1024)]),
    padded=st.booleans(), form=st.sampled_from(["implicit", "explicit", "big", "rle"]), seed=SEED,
)  # fmt: skip
def test_dicom(bits, signed, frames, size, white, scale, padded, form, seed):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

    rng = np.random.default_rng(seed)
    allocated, used = bits
    low, high = (-(2 ** (used - 1)), 2 ** (used - 1) - 1) if signed else (0, 2**used - 1)
    stored = rng.integers(low, high, (frames, *size), endpoint=True)
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data.Modality, data.SeriesInstanceUID, data.PatientID = "OT", "1.2.4", "p"
    data.Rows, data.Columns, data.SamplesPerPixel = *size, 1
    if frames > 1:
        data.NumberOfFrames = frames
    data.PhotometricInterpretation = "MONOCHROME1" if white else "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = allocated, used, used - 1, int(signed)
    expected = stored.astype(np.float64)
    if white:  # 0 is white: the other way round
        expected = low + high - expected
    if scale != (1, 0):
        data.RescaleSlope, data.RescaleIntercept = scale
        expected = expected * scale[0] + scale[1]
    if padded:
        stored[:, 0, 0] = low
        expected[stored == low] = np.nan
        data.add_new("PixelPaddingValue", "SS" if signed else "US", low)
    order = ">" if form == "big" else "<"
    raw = stored.astype(f"{order}{'i' if signed else 'u'}{allocated // 8}")
    if not padded or (stored != low).any():
        with file("a.dcm") as path:
            syntax = {"implicit": ImplicitVRLittleEndian, "big": ExplicitVRBigEndian}.get(form, ExplicitVRLittleEndian)
            data.file_meta.TransferSyntaxUID = syntax
            body = raw.tobytes()
            data.PixelData = body + b"\0" * (len(body) % 2)
            data["PixelData"].VR = "OW" if allocated > 8 or form == "implicit" else "OB"
            if form == "rle":
                data.compress(RLELossless, raw if frames > 1 else raw[0])
            data.save_as(path, enforce_file_format=True)
            source = open_source(path.parent)
            found = source[0]
        assert source.kind == ("volume" if frames > 1 else "image")
        same(found, expected[None] if frames > 1 else expected[:1])


# recordings


@some(12)
@given(
    st.sampled_from(["edf", "bdf"]), st.lists(st.sampled_from([1, 10, 64, 100, 256]), min_size=1, max_size=4),
    st.integers(1, 4), SEED,
)  # fmt: skip
def test_edf(form, rates, seconds, seed):
    edfio = pytest.importorskip("edfio")
    rng = np.random.default_rng(seed)
    whole, signal = (edfio.Edf, edfio.EdfSignal) if form == "edf" else (edfio.Bdf, edfio.BdfSignal)
    waves = [np.sin(np.arange(r * seconds) * rng.uniform(0.01, 0.1)) * 10.0 ** rng.integers(-1, 4) + 3 for r in rates]
    made = [
        signal(w, r, label=f"C{i}", physical_dimension="uV", physical_range=(w.min() - 1, w.max() + 1))
        for i, (w, r) in enumerate(zip(waves, rates, strict=True))
    ]
    with file(f"a.{form}") as path:
        whole(made).write(path)
        source = open_source(path)
        found = source[0]
    assert source.kind == "series" and found["rate"] == max(rates)
    assert found["channels"] == [f"C{i}" for i in range(len(rates))]
    for row, wave, rate in zip(found["values"], waves, rates, strict=True):
        assert len(row) == max(rates) * seconds
        if rate == max(rates):
            step = (np.ptp(wave) + 2) / 2 ** (16 if form == "edf" else 24)
            np.testing.assert_allclose(row, wave, atol=step + 1e-6 * np.abs(wave).max())


@some(16)
@given(
    st.sampled_from(["WAV PCM_16", "WAV PCM_24", "WAV PCM_32", "WAV PCM_U8", "WAV FLOAT", "WAV DOUBLE", "FLAC PCM_16",
                     "FLAC PCM_24", "AIFF PCM_16", "AIFF PCM_24", "AU PCM_16", "AU FLOAT", "CAF PCM_24", "RF64 PCM_16",
                     "WAVEX PCM_16"]),
    st.sampled_from(["FILE", "BIG", "LITTLE"]), st.integers(1, 4), st.sampled_from([8000, 11025, 44100, 96000, 12345]),
    st.integers(1, 500), SEED,
)  # fmt: skip
@example("AU PCM_16", "LITTLE", 1, 8000, 5, 0)
def test_sound(form, order, channels, rate, length, seed):
    soundfile = pytest.importorskip("soundfile")
    wave = np.random.default_rng(seed).uniform(-1, 0.999, (length, channels))
    major, minor = form.split()
    assume(soundfile.check_format(major, minor, order))
    suffix = {"RF64": "wav", "WAVEX": "wav", "AIFF": "aiff"}.get(major, major.lower())
    with file(f"a.{suffix}") as path:
        soundfile.write(path, wave, rate, format=major, subtype=minor, endian=order)
        source = open_source(path)
        found = source[0]
    assert source.kind == "audio" and found["rate"] == rate
    step = {"PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_U8": 2**-7}.get(minor, 1e-6)
    same(found["wave"], wave.T, atol=1.01 * step + 1e-7)


@some(8)
@given(st.sampled_from(["u1", "i2", "i4", "f4", "f8"]), st.integers(1, 3), st.integers(1, 300), SEED)
def test_sound_by_scipy(dtype, channels, length, seed):
    wavfile = pytest.importorskip("scipy.io.wavfile")
    pytest.importorskip("soundfile")
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype) if dtype[0] in "iu" else None
    wave = (
        rng.uniform(-1, 1, (length, channels)) if info is None else rng.integers(info.min, info.max, (length, channels))
    )
    meant = (
        wave if info is None else (wave - (128 if dtype == "u1" else 0)) / -float(np.iinfo(dtype.replace("u", "i")).min)
    )
    with file("a.wav") as path:
        wavfile.write(path, 16_000, wave.astype(dtype))
        same(open_source(path)[0]["wave"], meant.T)


# tables

FORMS = {  # by Arrow's type: what is written, and what a cell is
    "int8": lambda r: int(r.integers(-128, 128)), "uint32": lambda r: int(r.integers(0, 2**32)),
    "int64": lambda r: int(r.integers(-(2**50), 2**50)), "float32": lambda r: float(np.float32(r.standard_normal())),
    "float64": lambda r: float(r.standard_normal()), "bool_": lambda r: bool(r.integers(2)),
    "string": lambda r: str(r.choice(["", "a", "ü, \"b\"", "1", "NA", "two\nlines"])),
    "date32": lambda r: datetime(2000, 1, 1).date() + timedelta(days=int(r.integers(9999))),
    "timestamp": lambda r: datetime(2000, 1, 1) + timedelta(milliseconds=int(r.integers(10**12))),
}  # fmt: skip


@some(14)
@given(
    st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=5), st.integers(2, 40), st.floats(0, 0.5),
    st.sampled_from(["parquet", "feather", "arrow"]), st.sampled_from(["snappy", "zstd", "gzip", "none"]),
    st.integers(1, 20), st.booleans(), SEED,
)  # fmt: skip
def test_tables_by_columns(forms, rows, gaps, suffix, packed, part, coded, seed):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    rng = np.random.default_rng(seed)
    cells = {
        f"{form} {i}": [None if rng.random() < gaps else FORMS[form](rng) for _ in range(rows)]
        for i, form in enumerate(forms)
    }
    types = {"timestamp": pa.timestamp("ms")}
    columns = {n: pa.array(c, types.get(n.split()[0]) or getattr(pa, n.split()[0])()) for n, c in cells.items()}
    if coded:
        columns = {n: c.dictionary_encode() if n.startswith("string") else c for n, c in columns.items()}
    table = pa.table(columns)
    with file(f"a.{suffix}") as path:
        if suffix == "parquet":
            parquet.write_table(table, path, compression=packed, row_group_size=part)
        elif suffix == "feather":
            feather.write_feather(
                table, path, compression="uncompressed" if packed == "none" else "lz4", chunksize=part
            )
        else:
            with pa.ipc.new_file(path, table.schema) as out:
                out.write_table(table, max_chunksize=part)
        found = columnar.load(path)
        opened = open_source(path, "table")
    assert len(opened) == rows and found.names == tuple(cells)
    for name, column in cells.items():
        for i, cell in enumerate(column):
            got = found.row(i)[name]
            assert got == cell and isinstance(got, bool) == isinstance(cell, bool), (name, i, got, cell)


LETTERS = "aZ09 .,;:|!?'\"`@#%&/\\()[]{}<>=+-*_~^$äßÉñłΩжא日本한🙂½°\u00a0\u2028"
WORDS = st.text(LETTERS, min_size=1, max_size=8)


@some(14)
@given(
    st.sampled_from([",", ";", "\t", "|"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.integers(2, 4), st.integers(6, 30),
    SEED,
)  # fmt: skip
def test_tables_of_text(separator, quoting, end, encoding, columns, rows, seed):
    rng = np.random.default_rng(seed)
    words = ["red, green", 'a "b"', "x;y", "two\nlines", "tab\there", "ü日本", "p|q"]
    table = {"when": [datetime(2020, 1, 1).date() + timedelta(days=int(d)) for d in rng.permutation(400)[:rows]]}
    for i in range(columns):
        table[f"n{i}"] = [round(float(x), 3) for x in rng.standard_normal(rows)]
        table[f"w{i}"] = [str(w) for w in rng.choice(words, rows)]
        table[f"k{i}"] = [int(x) for x in rng.integers(-500, 500, rows)]
    with file("a.csv") as path:
        with path.open("w", encoding=encoding, newline="") as out:
            writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
        found = delimited.load(path)
    assert found.names == tuple(table) and len(found) == rows
    for i in range(rows):
        assert found.row(i) == {name: cells[i] for name, cells in table.items()}


@some(10)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"n": st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), "k": st.integers(-(2**40), 2**40)},
            optional={
                "w": WORDS.map(lambda w: f"é{w}"), "b": st.booleans(), "in": st.fixed_dictionaries({"x": st.integers(0, 9)}),
            },
        ),
        min_size=2, max_size=12,
    ),
    st.sampled_from(["jsonl", "json"]),
)  # fmt: skip
def test_tables_of_json(rows, suffix):
    with file(f"a.{suffix}") as path:
        lines = json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows))
        path.write_text(lines)
        found = jsonl.load(path)
    for i, row in enumerate(rows):
        flat = {k: v for k, v in row.items() if k != "in"} | ({"in.x": row["in"]["x"]} if "in" in row else {})
        flat |= {"w": flat["w"].strip()} if "w" in flat else {}
        assert {k: v for k, v in found.row(i).items() if v is not None} == flat


@some(10)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=2, max_size=2), min_size=2, max_size=5), st.booleans(), st.floats(0, 0.3),
    SEED,
)  # fmt: skip
def test_ts(shapes, labelled, gaps, seed):
    rng = np.random.default_rng(seed)
    channels = 1 + seed % 3
    every = [rng.standard_normal((channels, length)).astype("f4") for length, _ in shapes]
    every = [np.where(rng.random(x.shape) < gaps, np.nan, x) for x in every]
    head = ["@problemName Made", "@timeStamps false", f"@univariate {str(channels == 1).lower()}"]
    head.append("@classLabel true b a" if labelled else "@classLabel false")
    lines = [":".join(",".join("?" if x != x else repr(float(x)) for x in c) for c in s) for s in every]
    labels = ["ab"[int(rng.integers(2))] for _ in every]
    lines = [f"{line}:{label}" if labelled else line for line, label in zip(lines, labels, strict=True)]
    with file("a.ts") as path:
        path.write_text("\n".join([*head, "@data", *lines]) + "\n")
        source = open_source(path)
        for i, values in enumerate(every):
            same(source[i], values)
    assert not labelled or [source.classes[i] for i in source.labels] == labels


# points


@some(12)
@given(
    st.sampled_from(["1.2", "1.4"]), st.sampled_from([0, 1, 2, 3, 6, 7]), st.sampled_from(["las", "laz"]), st.integers(2, 300),
    st.sampled_from([0.001, 0.01, 1.0]), st.sampled_from([0.0, 5e5, -4e6]), SEED,
)  # fmt: skip
def test_las(version, form, suffix, count, scale, offset, seed):
    laspy = pytest.importorskip("laspy")
    if suffix == "laz":
        pytest.importorskip("lazrs")
    assume(version == "1.4" or form < 4)
    rng = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=form, version=version)
    header.scales, header.offsets = [scale] * 3, [offset] * 3
    las = laspy.LasData(header)
    whole = rng.integers(-10_000, 10_000, (3, count))
    las.X, las.Y, las.Z = whole
    las.intensity = rng.integers(0, 65_536, count)
    expected = [*((whole - whole.min(1, keepdims=True)) * scale), las.intensity / 65_535]
    if form in (2, 3, 7):
        las.red, las.green, las.blue = rng.integers(0, 65_536, (3, count))
        expected += [las.red / 65_535, las.green / 65_535, las.blue / 65_535]
    with file(f"a.{suffix}") as path:
        las.write(path)
        source = open_source(path)
        assert source.kind == "points"
        same(source[0], np.stack(expected, 1), rtol=1e-5, atol=1e-4)


TYPES = {"f4": "float", "f8": "double", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int"}


@some(14)
@given(
    st.sampled_from(["ascii", "binary_little_endian", "binary_big_endian"]), st.sampled_from(["f4", "f8", "i2", "i4"]),
    st.sampled_from([None, "u1", "u2", "f4"]), st.booleans(), st.permutations(["x", "y", "z"]), st.integers(1, 60), SEED,
)  # fmt: skip
def test_ply(form, place, colour, extra, order, count, seed):
    rng = np.random.default_rng(seed)
    fields = [(name, place) for name in order] + ([("quality", "i2")] if extra else [])
    fields += [(name, colour) for name in ("red", "green", "blue")] if colour else []
    record = np.dtype([(n, ("<" if "little" in form else ">" if "big" in form else "=") + t) for n, t in fields])
    table = np.zeros(count, record)
    for name, dtype in fields:
        table[name] = rng.random(count) if dtype == colour == "f4" else numbers(rng, count, dtype)
    head = f"ply\nformat {form} 1.0\nelement vertex {count}\n"
    head += "".join(f"property {TYPES[t]} {n}\n" for n, t in fields) + "end_header\n"
    body = (
        table.tobytes() if form != "ascii" else "\n".join(" ".join(map(repr, row.tolist())) for row in table).encode()
    )
    expected = [table[n].astype(np.float64) for n in "xyz"]
    if colour:
        most = {"u1": 255, "u2": 65_535, "f4": 1}[colour]
        expected += [table[n].astype(np.float64) / most for n in ("red", "green", "blue")]
    with file("a.ply") as path:
        path.write_bytes(head.encode() + body)
        source = open_source(path)
        assert source.kind == "points"
        same(source[0], np.stack(expected, 1))


@some(10)
@given(
    st.sampled_from(["ascii", "binary"]),
    st.sampled_from(["4 F", "8 F", "2 I", "4 I"]),
    st.booleans(),
    st.integers(2, 50),
    SEED,
)
def test_pcd(form, place, coloured, count, seed):
    rng = np.random.default_rng(seed)
    width, letter = place.split()
    dtype = f"<{letter.lower()}{width}"
    table = np.zeros(count, [(n, dtype) for n in "xyz"] + ([("rgb", "<f4")] if coloured else []))
    for name in "xyz":
        table[name] = numbers(rng, count, dtype)
    colours = rng.integers(0, 256, (count, 3))
    if coloured:
        word = (colours @ [65_536, 256, 1]).astype("<u4")
        table["rgb"] = word.view("<f4")
    extra = " rgb" if coloured else ""
    head = f"VERSION .7\nFIELDS x y z{extra}\nSIZE {' '.join([width] * 3)}{' 4' * coloured}\n"
    head += f"TYPE {' '.join([letter] * 3)}{' F' * coloured}\nCOUNT 1 1 1{' 1' * coloured}\nWIDTH {count}\nHEIGHT 1\n"
    head += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA {form}\n"
    lines = "\n".join(" ".join(repr(v) for v in row.tolist()) for row in table)
    with file("a.pcd") as path:
        path.write_bytes(head.encode() + (table.tobytes() if form == "binary" else lines.encode()))
        found = open_source(path)[0]
    expected = np.stack([table[n].astype(np.float64) for n in "xyz"], 1)
    same(found, np.hstack([expected, colours / 255]) if coloured else expected)


@some(8)
@given(
    st.sampled_from(["xyz", "pts", "bin"]),
    st.sampled_from([" ", "\t", ", "]),
    st.integers(3, 6),
    st.integers(2, 50),
    SEED,
)
def test_points_in_lines(suffix, between, width, count, seed):
    points = np.random.default_rng(seed).uniform(0.1, 9, (count, 4 if suffix == "bin" else width)).astype("f4")
    with file(f"a.{suffix}") as path:
        if suffix == "bin":
            path.write_bytes(points.tobytes())
        else:
            lines = [between.join(repr(float(v)) for v in row) for row in points]
            path.write_text("\n".join([str(count)] * (suffix == "pts") + lines) + "\n")
        same(open_source(path, "points")[0], points)


@some(10)
@given(st.sampled_from(["off", "obj", "stl", "ascii stl", "ply"]), st.integers(1, 12), SEED)
def test_surfaces(form, count, seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-5, 5, (count, 3, 3)).astype("f4")
    corners[..., 2] = 2 * corners[..., 0] - corners[..., 1] + 1  # all in one plane
    lines = [" ".join(repr(float(v)) for v in c) for c in corners.reshape(-1, 3)]
    faces = np.arange(3 * count).reshape(-1, 3)
    if form == "off":
        data = "\n".join(["OFF", f"{3 * count} {count} 0", *lines, *(f"3 {a} {b} {c}" for a, b, c in faces)]).encode()
    elif form == "obj":
        data = "\n".join(
            [*(f"v {x}" for x in lines), *(f"f {a + 1}//1 {b - 3 * count} {c + 1}" for a, b, c in faces)]
        ).encode()
    elif form == "stl":
        record = np.zeros(count, [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("more", "<u2")])
        record["c"] = corners
        data = b"\0" * 80 + struct.pack("<I", count) + record.tobytes()
    elif form == "ply":
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {3 * count}\nproperty float x\nproperty float y\n"
        head += f"property float z\nelement face {count}\nproperty list uchar int vertex_indices\nend_header\n"
        data = head.encode() + corners.astype("<f4").tobytes() + b"".join(struct.pack("<B3i", 3, *f) for f in faces)
    else:
        shape = "facet normal 0 0 1\nouter loop\nvertex {}\nvertex {}\nvertex {}\nendloop\nendfacet\n"
        shapes = [shape.format(*lines[3 * i : 3 * i + 3]) for i in range(count)]
        data = ("solid made\n" + "".join(shapes) + "endsolid made\n").encode()
    with file(f"a.{form.split()[-1]}") as path:
        path.write_bytes(data)
        found = open_source(path)[0].astype(np.float64)
    assert found.shape == (2048, 3)
    np.testing.assert_allclose(found[:, 2], 2 * found[:, 0] - found[:, 1] + 1, atol=1e-4)
    side = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(side, axis=1)
    np.testing.assert_allclose(found.mean(0), area @ corners.mean(1) / area.sum(), atol=0.35)  # spread by area


# graphs, molecules, sequences


@some(12)
@given(st.booleans(), st.integers(1, 4), st.integers(2, 12), st.booleans(), st.booleans(), SEED)
def test_graphs(directed, graphs, nodes, featured, weighted, seed):
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(graphs):
        graph = networkx.gnp_random_graph(nodes, 0.4, seed=int(rng.integers(2**31)), directed=directed)
        for i in graph:
            graph.nodes[i].update(
                {"height": float(rng.standard_normal()), "count": int(rng.integers(9))} if featured else {}
            )
        for a, b in graph.edges:
            graph.edges[a, b].update({"w": float(rng.standard_normal())} if weighted else {})
        made.append(graph)
    with file("a.graphml") as path:
        from networkx.readwrite.graphml import GraphMLWriter

        writer = GraphMLWriter()
        writer.add_graphs(made)
        writer.dump(str(path))
        source = open_source(path)
        found = [source[i] for i in range(len(source))]
    assert source.kind == "graph" and len(found) == graphs
    for graph, sample in zip(made, found, strict=True):
        edges = list(graph.edges)
        assert sample["edges"].tolist() == [list(e) for e in edges] and sample.get("directed", False) == directed
        if featured:
            same(sample["nodes"], [[graph.nodes[i]["count"], graph.nodes[i]["height"]] for i in graph])
        if weighted and any(g.number_of_edges() for g in made):
            same(sample["weights"].reshape(-1), [graph.edges[e]["w"] for e in edges])


@some(8)
@given(st.sampled_from([" ", "\t", ","]), st.booleans(), st.integers(3, 20), SEED)
def test_lists_of_edges(between, weighted, nodes, seed):
    networkx = pytest.importorskip("networkx")
    graph = networkx.gnp_random_graph(nodes, 0.5, seed=seed)
    assume(graph.number_of_edges())
    rng = np.random.default_rng(seed)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = float(rng.random())
    with file("a.edgelist") as path:
        write = networkx.write_weighted_edgelist if weighted else networkx.write_edgelist
        write(graph, path, delimiter=between, **({} if weighted else {"data": False}))
        found = open_source(path)[0]
    names = list(dict.fromkeys(i for e in graph.edges for i in e))
    assert [[names[a], names[b]] for a, b in found["edges"]] == [list(e) for e in graph.edges]
    if weighted:
        same(found["weights"][:, 0], [graph.edges[e]["weight"] for e in graph.edges])


MOLECULES = (
    "CCO",
    "c1ccccc1O",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "[NH4+].[Cl-]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "[13CH4]",
    "C#N",
    "O=S(=O)(O)O",
)


@some(10)
@given(
    st.lists(st.sampled_from(MOLECULES), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_molecules(chosen, new, hydrogens, end):
    chem = pytest.importorskip("rdkit.Chem")
    every = [chem.MolFromSmiles(s) for s in chosen]
    told = [chem.AddHs(m) if hydrogens else m for m in every]
    with file("a.sdf") as path:
        writer = chem.SDWriter(str(path))
        writer.SetForceV3000(new)
        for i, molecule in enumerate(told):
            molecule.SetProp("mass", str(i + 0.5))
            writer.write(molecule)
        writer.close()
        path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
        source = open_source(path)
        assert source.kind == "molecule" and [source[i] for i in range(len(source))] == [
            chem.MolToSmiles(m) for m in every
        ]
        same(source.properties["mass"], np.arange(len(every)) + 0.5)
        lines = path.with_suffix(".smi")
        lines.write_text(end.join(f"{s} name {i}" for i, s in enumerate(chosen)), newline="")
        source = open_source(lines)
        assert [source[i] for i in range(len(source))] == list(chosen)
        assert [source.name(i) for i in range(len(source))] == [f"name {i}" for i in range(len(chosen))]


@some(10)
@given(
    st.lists(st.text("DEFHIKLMPQRSVWY", min_size=30, max_size=200), min_size=1, max_size=5), st.integers(1, 80),
    st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(),
)  # fmt: skip
def test_sequences(sequences, width, end, stop):
    lines = []
    for i, letters in enumerate(sequences):
        whole = "M" + letters + "*" * stop
        lines += [f">s{i} some words", *(whole[at : at + width] for at in range(0, len(whole), width))]
    with file("a.fasta") as path:
        path.write_text(end.join(lines) + end, newline="")
        source = open_source(path, "protein")
    assert [source[i] for i in range(len(source))] == ["M" + s for s in sequences]
    assert [source.name(i) for i in range(len(source))] == [f"s{i}" for i in range(len(sequences))]


# notes, films, packets, words

NOTES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 16), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15)),
                 min_size=1, max_size=20, unique_by=lambda n: (n[2], n[4]))  # fmt: skip


@some(12)
@given(NOTES, st.sampled_from([24, 96, 480, 960]), st.sampled_from([0, 1]), st.booleans(), SEED)
def test_midi(notes, ticks, form, silent, seed):
    mido = pytest.importorskip("mido")
    rng = np.random.default_rng(seed)
    programs = rng.integers(0, 128, 16).tolist()
    made = mido.MidiFile(type=form, ticks_per_beat=ticks)
    for channels in [range(16)] if form == 0 else [[c] for c in range(16)]:
        track, now, events = mido.MidiTrack(), 0, []
        for onset, length, pitch, velocity, channel in notes:
            if channel in channels:
                on = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
                off = mido.Message("note_on" if silent else "note_off", note=pitch, velocity=0, channel=channel)
                events += [(onset * ticks // 8, 1, on), ((onset + length) * ticks // 8, 0, off)]
        track += [mido.Message("program_change", program=programs[c], channel=c) for c in channels]
        track.append(mido.MetaMessage("set_tempo", tempo=400_000))
        for at, _, message in sorted(events, key=lambda e: e[:2]):
            track.append(message.copy(time=at - now))
            now = at
        made.tracks.append(track)
    with file("a.mid") as path:
        made.save(path)
        source = open_source(path)
        found = source[0]
    expected = sorted(
        (
            o * ticks // 8 / ticks,
            (o + n) * ticks // 8 / ticks - o * ticks // 8 / ticks,
            p,
            v,
            128 if c == 9 else programs[c],
        )
        for o, n, p, v, c in notes
    )
    got = sorted(zip(*(found[k].tolist() for k in ("onset", "duration", "pitch", "velocity", "program")), strict=True))
    assert source.kind == "music"
    np.testing.assert_allclose(np.array(got)[:, 0], np.array(expected)[:, 0], atol=1e-5)
    assert sorted(g[2:] for g in got) == sorted(e[2:] for e in expected)
    np.testing.assert_allclose(sorted(g[1] for g in got), sorted(e[1] for e in expected), atol=1e-5)


STEPS = {0: ("C", 0), 1: ("C", 1), 2: ("D", 0), 3: ("E", -1), 4: ("E", 0), 5: ("F", 0), 6: ("F", 1), 7: ("G", 0), 8: ("A", -1),
         9: ("A", 0), 10: ("B", -1), 11: ("B", 0)}  # fmt: skip


@some(10)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 6, 8]), st.one_of(st.none(), st.integers(24, 95))), min_size=1, max_size=12),
    st.sampled_from(["musicxml", "mxl", "krn"]), st.sampled_from([8, 24]),
)  # fmt: skip
def test_scores(notes, form, divisions):
    assume(any(pitch is not None for _, pitch in notes))
    expected, now = [], 0.0
    for eighths, pitch in notes:
        expected += [(now, eighths / 2, pitch)] if pitch is not None else []
        now += eighths / 2
    if form == "krn":
        word = {1: "8", 2: "4", 3: "4.", 4: "2", 6: "2.", 8: "1"}
        lines = ["**kern"]
        for eighths, pitch in notes:
            if pitch is None:
                lines.append(word[eighths] + "r")
                continue
            name, alter = STEPS[pitch % 12]
            octave = pitch // 12 - 1
            letters = name.lower() * (octave - 3) if octave >= 4 else name * (4 - octave)
            lines.append(word[eighths] + letters + {0: "", 1: "#", -1: "-"}[alter])
        data = "\n".join([*lines, "*-", ""]).encode()
    else:
        score = ElementTree.Element("score-partwise")
        ElementTree.SubElement(ElementTree.SubElement(score, "part-list"), "score-part", id="P1")
        measure = ElementTree.SubElement(ElementTree.SubElement(score, "part", id="P1"), "measure", number="1")
        ElementTree.SubElement(ElementTree.SubElement(measure, "attributes"), "divisions").text = str(divisions)
        for eighths, pitch in notes:
            note = ElementTree.SubElement(measure, "note")
            if pitch is None:
                ElementTree.SubElement(note, "rest")
            else:
                at = ElementTree.SubElement(note, "pitch")
                for tag, value in zip(("step", "alter", "octave"), (*STEPS[pitch % 12], pitch // 12 - 1), strict=True):
                    ElementTree.SubElement(at, tag).text = str(value)
            ElementTree.SubElement(note, "duration").text = str(eighths * divisions // 2)
        data = ElementTree.tostring(score, "utf-8", xml_declaration=True)
    with file(f"a.{form}") as path:
        if form == "mxl":
            import zipfile

            container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
                out.writestr("META-INF/container.xml", container)
                out.writestr("s.xml", data)
        else:
            path.write_bytes(data)
        found = open_source(path, "music")[0]
    got = list(zip(*(found[k].tolist() for k in ("onset", "duration", "pitch")), strict=True))
    assert got == expected


@some(8)
@given(
    st.sampled_from(["a.mkv ffv1", "a.avi ffv1", "a.mov qtrle"]), st.booleans(), st.integers(1, 12),
    st.sampled_from([2, 5, 10, 12]), st.tuples(st.integers(4, 20), st.integers(4, 20)), SEED,
)  # fmt: skip
def test_films(form, grey, count, rate, size, seed):
    av = pytest.importorskip("av")
    name, codec = form.split()
    grey = grey and codec == "ffv1"
    rng = np.random.default_rng(seed)
    width, height = 2 * size[0], 2 * size[1]
    frames = rng.integers(0, 256, (count, height, width) if grey else (count, height, width, 3), np.uint8)
    with file(name) as path:
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=rate)
            stream.width, stream.height = width, height
            stream.pix_fmt = "gray" if grey else {"ffv1": "bgr0", "qtrle": "rgb24"}[codec]
            for frame in frames:
                made = av.VideoFrame.from_ndarray(frame, format="gray" if grey else "rgb24")
                out.mux(stream.encode(made.reformat(format=stream.pix_fmt)))
            out.mux(stream.encode(None))
        source = open_source(path)
        found = source[0]
    assert source.kind == "video" and found["fps"] == pytest.approx(rate)
    expected = frames[: 10 * rate]
    same(found["frames"], expected[:, None] if grey else expected.transpose(0, 3, 1, 2))


@some(10)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.binary(max_size=40)), min_size=1, max_size=12),
    st.sampled_from(["pcap", "pcapng"]), st.booleans(),
)  # fmt: skip
def test_captures(packets, form, tcp):
    dpkt = pytest.importorskip("dpkt")
    a, b = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
    packets = sorted(packets, key=lambda p: p[0])
    with file(f"a.{form}") as path:
        with path.open("wb") as out:
            writer = (dpkt.pcap if form == "pcap" else dpkt.pcapng).Writer(out)
            for time, back, payload in packets:
                ends = (b, a) if back else (a, b)
                ports = {"sport": 2000, "dport": 1000} if back else {"sport": 1000, "dport": 2000}
                inner = (
                    dpkt.tcp.TCP(data=payload, **ports)
                    if tcp
                    else dpkt.udp.UDP(data=payload, ulen=8 + len(payload), **ports)
                )
                ip = dpkt.ip.IP(src=ends[0], dst=ends[1], p=6 if tcp else 17, data=inner)
                ip.len = len(ip)
                writer.writepkt(bytes(dpkt.ethernet.Ethernet(type=0x0800, data=ip)), ts=1e9 + time)
        source = open_source(path)
    assert source.kind == "packets" and len(source) == 1
    flow = source[0]
    np.testing.assert_allclose(flow["time"], [t - packets[0][0] for t, *_ in packets], atol=1e-5)
    assert flow["direction"] == [int(back != packets[0][1]) for _, back, _ in packets]
    assert [x[28 + 12 * tcp :] for x in flow["bytes"]] == [p for *_, p in packets]


TEXT = st.text(LETTERS, min_size=1, max_size=60)


@some(12)
@given(
    TEXT,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["md", "py", "tex"]),
)
def test_texts(text, encoding, end, suffix):
    assume(text.strip() and not text.startswith("\ufeff"))
    lines = [text, "and more", ""]
    with file(f"a.{suffix}") as path:
        path.write_bytes(end.join(lines).encode(encoding))
        source = open_source(path)
        assert source.kind == ("code" if suffix == "py" else "text") and source[0] == "\n".join(lines)


@some(10)
@given(
    st.lists(
        st.tuples(WORDS, st.tuples(*[st.integers(0, 90)] * 2), st.tuples(*[st.integers(1, 10)] * 2)), min_size=1, max_size=6
    ),
    st.sampled_from(["json", "xml", "page.xml", "hocr"]),
)  # fmt: skip
def test_pages(found, form):
    from html import escape

    words = [(" ".join(w.split()), x, y, x + a, y + b) for w, (x, y), (a, b) in found if w.split()]
    assume(words)
    with file(f"a.{form}") as path:
        if form == "json":
            said = {"words": [w for w, *_ in words], "boxes": [b for _, *b in words], "width": 100, "height": 200}
            data = json.dumps(said).encode()
        elif form == "xml":
            root = ElementTree.Element("alto", xmlns="http://www.loc.gov/standards/alto/ns-v4#")
            page = ElementTree.SubElement(ElementTree.SubElement(root, "Layout"), "Page", WIDTH="100", HEIGHT="200")
            for w, *b in words:
                box = dict(
                    zip(
                        ("HPOS", "VPOS", "WIDTH", "HEIGHT"),
                        map(str, (b[0], b[1], b[2] - b[0], b[3] - b[1])),
                        strict=True,
                    )
                )
                ElementTree.SubElement(page, "String", CONTENT=w, **box)
            data = ElementTree.tostring(root, "utf-8")
        elif form == "page.xml":
            root = ElementTree.Element("PcGts")
            page = ElementTree.SubElement(root, "Page", imageWidth="100", imageHeight="200")
            for w, x0, y0, x1, y1 in words:
                word = ElementTree.SubElement(page, "Word")
                ElementTree.SubElement(word, "Coords", points=f"{x0},{y0} {x1},{y0} {x1},{y1} {x0},{y1}")
                ElementTree.SubElement(ElementTree.SubElement(word, "TextEquiv"), "Unicode").text = w
            data = ElementTree.tostring(root, "utf-8")
        else:
            spans = [
                f"<span class='ocrx_word' title='bbox {' '.join(map(str, b))}'>{escape(w)}</span>" for w, *b in words
            ]
            data = f"<html><div class='ocr_page' title='bbox 0 0 100 200'>{' '.join(spans)}</div></html>".encode()
        path.write_bytes(data)
        source = open_source(path)
        page = source[0]
    assert source.kind == "document" and page["words"] == [w for w, *_ in words]
    same(page["boxes"], [np.array(b) / [100, 200, 100, 200] for _, *b in words])

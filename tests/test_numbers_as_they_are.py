"""What a file says about its numbers (no data, scale, polarity, units) is applied, and slices of a scan are one volume."""

import numpy as np
import pytest

from headstart.data.feeding.prepare import few, prepare
from headstart.data.finding import slices
from headstart.data.open import open_source
from headstart.data.readers import dicom, images, nifti, tiff
from headstart.data.sources.array import is_told
from headstart.errors import Unreadable
from headstart.tokenizers import ImageTokenizer, MultispectralTokenizer, VolumeTokenizer
from headstart.tokenizers.want import Want

R = np.random.default_rng(0)
GAPS = {"_FillValue": np.array([-32768], "i2")}


def plain(sample):
    """A sample's numbers, NaN where they are missing."""
    main = next(sample[k] for k in ("bands", "values") if k in sample) if isinstance(sample, dict) else sample
    return np.ma.MaskedArray(main).astype(np.float64).filled(np.nan)


def packed(shape=(12, 3, 100), holes=(slice(None), 1, slice(0, 40)), hole=-32768, dtype="i2"):
    raw = R.integers(1, 120, shape).astype(dtype)
    raw[holes] = hole
    return raw


@pytest.mark.parametrize(
    ("number", "values", "expected"),
    [
        (-3.40282e38, np.array([-3.4028235e38, 1, -9999], "f4"), [True, False, False]),
        (-3.4e38, np.array([-3.4e38, -1e30], "f4"), [True, False]),
        (-1.79769313486232e308, np.array([-3.4028235e38, -np.inf, 0], "f4"), [True, True, False]),
        (-9999, np.array([-9999, -9998.9], "f4"), [True, False]),
        (0.1, np.array([0.1, 0.11], "f4"), [True, False]),
        (9.96921e36, np.array([9.96921e36, 9e36], "f8"), [True, False]),
        (-9999, np.array([-9999, 0], "f2"), [True, False]),
        (float("nan"), np.array([np.nan, 0], "f4"), [True, False]),
        (0, np.array([0, 1e-6], "f4"), [True, False]),
        (-9999, np.array([241, 0], "u1"), [False, False]),  # which is -9999 in eight bits
        (2**64 - 1, np.array([2**64 - 1, 0], "u8"), [True, False]),
        (254.5, np.array([254, 255], "u1"), [False, False]),
    ],
)
def test_no_data_is_told_with_tolerance(number, values, expected):
    assert is_told(values, number).tolist() == expected


CF = {  # name: stored, attributes, what they mean
    "packed": (
        packed(), {**GAPS, "scale_factor": np.float32(0.01), "add_offset": np.float32(280)},
        lambda x: np.where(x == -32768, np.nan, x * 0.01 + 280), "no data (-32768) kept missing, scaled by 0.01 + 280",
    ),
    "offset alone": (packed(hole=1), {"add_offset": -273.15}, lambda x: x - 273.15, "scaled by 1 - 273.15"),
    "several missing values": (
        packed(), {"missing_value": np.array([-32768, 7], "i2")}, lambda x: np.where((x == -32768) | (x == 7), np.nan, x), "7",
    ),
    "unsigned": (
        packed(hole=-1, dtype="i1"), {"_Unsigned": "true", "_FillValue": np.array([-1], "i1"), "scale_factor": 0.5},
        lambda x: np.where(x == -1, np.nan, x.astype("u1") * 0.5), "no data (255)",
    ),
    "valid range, packed": (
        packed(), {"valid_range": np.array([10, 100], "i2"), "scale_factor": 0.1},
        lambda x: np.where((x < 10) | (x > 100), np.nan, x * 0.1), "beyond 10 to 100",
    ),
    "valid range, unpacked": (
        packed(), {"valid_min": np.float32(1), "valid_max": np.float32(10), "scale_factor": np.float32(0.1)},
        lambda x: np.where((x < 10) | (x > 100), np.nan, x * 0.1), "beyond 1 to 10",
    ),
    "HDF-EOS": (
        packed(), {"MissingValue": np.int16(-32768), "ScaleFactor": 0.1, "Offset": 2.0},
        lambda x: np.where(x == -32768, np.nan, x * 0.1 + 2), "0.1 + 2",
    ),
    "slope, intercept": (packed(hole=1), {"Slope": 2.0, "Intercept": -1.0}, lambda x: x * 2.0 - 1, "scaled by 2 - 1"),
    "NWB": (packed(hole=1), {"conversion": 1e-6, "unit": "volts"}, lambda x: x * 1e-6, "1e-06"),
    "channel by channel": (
        packed(hole=1), {"scale_factor": [1.0, 10.0, 100.0]}, lambda x: x * np.array([1, 10, 100.0])[:, None], "channel",
    ),
    "rounded": (
        packed(hole=-3.4028235e38, dtype="f4"), {"_FillValue": -3.40282e38},
        lambda x: np.where(x < -1e30, np.nan, x), "-3.40282e+38",
    ),
    "told in words": (packed(hole=-99, dtype="f4"), {"missing_value": "-99"}, lambda x: np.where(x == -99, np.nan, x), "-99"),
    "gain of a device": (packed(hole=1), {"gain": 100.0, "offset": 3.0, "units": "V"}, lambda x: x, ""),
}  # fmt: skip


@pytest.mark.parametrize("store", ["hdf5", "zarr2", "zarr3"])
@pytest.mark.parametrize("name", CF)
def test_attributes_of_arrays(tmp_path, store, name):
    raw, attributes, means, says = CF[name]
    if store == "hdf5":
        with pytest.importorskip("h5py").File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("t", data=raw).attrs.update(attributes)
        source = open_source(tmp_path / "x.h5")
    else:
        zarr = pytest.importorskip("zarr")
        array = zarr.create_array(
            str(tmp_path / "x.zarr"), shape=raw.shape, dtype=raw.dtype, zarr_format=int(store[-1])
        )
        array[...] = raw
        array.attrs.update({k: np.asarray(v).tolist() for k, v in attributes.items()})
        if name == "valid range, unpacked":
            return  # JSON keeps no dtype: 1 to 10 of floats are floats still, and the other cases tell the rest
        source = open_source(tmp_path / "x.zarr")
    assert source.kind == "series" and says in source.describe()
    for i in (0, len(raw) - 1):
        assert np.allclose(plain(source[i]), means(raw[i]), equal_nan=True, rtol=1e-6)


def test_what_storage_fills_with_is_missing_but_for_0_and_1_and_bytes(tmp_path):
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    for i, (dtype, fill, gone) in enumerate(
        [("f4", -9999, True), ("f4", np.nan, True), ("f4", 9.969209968386869e36, True), ("i4", -2147483647, True),
         ("f4", 0, False), ("f4", 1, False), ("u1", 255, False)]
    ):  # fmt: skip
        raw = np.full((4, 20), fill, dtype)
        raw[:, :5] = 9
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file.create_dataset("x", data=raw, fillvalue=fill)
        zarr.create_array(str(tmp_path / f"{i}.zarr"), shape=raw.shape, dtype=dtype, fill_value=fill)[...] = raw
        for name in (f"{i}.h5", f"{i}.zarr"):
            assert np.isnan(plain(open_source(tmp_path / name)[0])).sum() == 15 * gone, (name, dtype, fill)


def test_xarray_writes_fill_values_of_zarr_3_in_base64(tmp_path):
    raw = np.where(R.random((4, 50)) < 0.2, -99.0, 1.0)
    array = pytest.importorskip("zarr").create_array(str(tmp_path / "x.zarr"), shape=raw.shape, dtype="f8")
    array[...] = raw
    array.attrs["_FillValue"] = "AAAAAADAWMA="
    assert np.array_equal(np.isnan(plain(open_source(tmp_path / "x.zarr")[2])[0]), raw[2] == -99)


def test_quantities_are_scaled_and_unknown_classes_are_unknown(tmp_path):
    h5py = pytest.importorskip("h5py")
    for name, labels, attributes, expected in (
        (
            "q",
            np.array([10, 25, -999, 40], "i2"),
            {"_FillValue": np.int16(-999), "scale_factor": 0.1},
            [1, 2.5, np.nan, 4],
        ),
        ("c", np.array([0, 1, 255, 1], "u1"), {"_FillValue": np.uint8(255)}, [0, 1, -1, 1]),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = R.random((4, 30))
            file["y"] = labels
            file["y"].attrs.update(attributes)
        assert np.allclose(open_source(tmp_path / f"{name}.h5").labels, expected, equal_nan=True)


def test_pictures_in_arrays_keep_their_range_and_their_gaps(tmp_path):
    h5py = pytest.importorskip("h5py")
    raw = R.integers(40, 200, (16, 24, 24)).astype("u1")
    raw[:, :9] = 255
    raw[0] = 100
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = raw
        file["x"].attrs["_FillValue"] = np.uint8(255)
        file["wide"] = raw.astype("i4")
        file["white"] = raw
        file["white"].attrs.update({"CLASS": "IMAGE", "IMAGE_WHITE_IS_ZERO": 1})
    source = open_source(tmp_path / "x.h5")
    assert source.kind == "image" and source[1].dtype == np.uint8 and np.isnan(plain(source[1])).sum() == 9 * 24
    assert np.asarray(source[1]).max() < 200  # who does not ask for the mask sees the mean beneath it
    tokenizer = ImageTokenizer.fit(few(source, 16), Want(patch=4))
    seen = raw[1:, 9:] / 255
    assert tokenizer.mean[0] == pytest.approx(np.append(seen, raw[0] / 255).mean(), abs=0.01)
    prepared = prepare(source, tokenizer)
    assert len(prepared) == 16 and type(prepared[3]) is np.ndarray and prepared[3][:, :9].std() < 1


@pytest.fixture
def write():
    return pytest.importorskip("tifffile").imwrite


def tags(nodata=None, metadata=None, orientation=None):
    found = [(42113, "s", 0, nodata, True)] if nodata is not None else []
    found += [(42112, "s", 0, f"<GDALMetadata>{metadata}</GDALMetadata>", True)] if metadata else []
    return found + ([(274, "H", 1, orientation, True)] if orientation else [])


def scaled(slope, offset, band=0):
    return "".join(
        f'<Item name="{name}" sample="{band}" role="{name.lower()}">{value}</Item>'
        for name, value in (("SCALE", slope), ("OFFSET", offset))
    )


def test_scale_and_offset_of_a_geotiff(tmp_path, write):
    raw = R.integers(1, 900, (3, 20, 20)).astype("i2")
    raw[:, :5] = -9999
    both = scaled(0.01, 280) + scaled(0.02, 0, 1) + scaled(1, -5, 2)
    options = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None}
    write(tmp_path / "a.tif", raw, extratags=tags("-9999", both), **options)
    expected = np.where(
        raw == -9999, np.nan, raw * np.array([0.01, 0.02, 1])[:, None, None] + np.array([280, 0, -5])[:, None, None]
    )
    assert np.allclose(plain(tiff.read(tmp_path / "a.tif")), expected, equal_nan=True)
    assert tiff.said(tmp_path / "a.tif") == "no data (-9999) kept missing, scaled band by band"
    grey = raw[0].astype("u2")  # a picture by its form
    write(tmp_path / "b.tif", grey, extratags=tags("55537", scaled(0.01, 280)), metadata=None)
    assert np.allclose(plain(images.read(tmp_path / "b.tif"))[0], expected[0], equal_nan=True)
    assert tiff.said(tmp_path / "b.tif").endswith("scaled by 0.01 + 280")
    hls = '<Item name="scale_factor">0.0001</Item><Item name="_FillValue">-9999</Item>'  # of the file, no band named
    write(tmp_path / "c.tif", raw, extratags=tags(None, hls), **options)
    assert np.allclose(plain(tiff.read(tmp_path / "c.tif")), np.where(raw == -9999, np.nan, raw * 1e-4), equal_nan=True)


def test_where_0_is_white(tmp_path, write):
    for dtype in ("u1", "u2"):
        most = np.iinfo(dtype).max
        raw = R.integers(1, most, (16, 16)).astype(dtype)
        raw[:4] = 0
        write(tmp_path / "a.tif", raw, photometric="miniswhite", extratags=tags("0"), metadata=None)
        expected = np.where(raw == 0, np.nan, most - raw.astype(float))
        assert np.array_equal(plain(images.read(tmp_path / "a.tif"))[0], expected, equal_nan=True)
        stack = np.stack([raw] * 3)
        write(tmp_path / "b.tif", stack, photometric="miniswhite", metadata=None)
        assert np.array_equal(plain(tiff.read(tmp_path / "b.tif"))[0], most - stack.astype(float))


def test_colours_are_missing_where_all_of_them_say_so(tmp_path, write):
    for dtype, lifts in (("u1", 1), ("u2", 256)):
        raw = (R.integers(1, 200, (16, 12, 3)) * lifts).astype(dtype)
        raw[:4] = 0
        raw[8, 8] = (0, 0, 7)  # nearly black, and there
        write(tmp_path / "a.tif", raw, photometric="rgb", extratags=tags("0", orientation=6), metadata=None)
        gone = np.isnan(plain(images.read(tmp_path / "a.tif")))
        assert gone.shape == (3, 12, 16) and gone[:, :, -4:].all() and not gone[:, :, :-4].any()


def test_masks_and_transparency_of_a_tiff(tmp_path, write):
    tifffile = pytest.importorskip("tifffile")
    mask = np.ones((16, 16), bool)
    mask[:5] = False
    for dtype, kind in (("u1", "image"), ("f4", "multispectral")):
        raw = R.integers(1, 200, (16, 16)).astype(dtype)
        with tifffile.TiffWriter(tmp_path / f"{dtype}.tif") as file:
            file.write(raw, photometric="minisblack", metadata=None)
            file.write(mask, photometric="mask", subfiletype=4, metadata=None)
        source = open_source(tmp_path / f"{dtype}.tif") if kind != "image" else None
        sample = images.read(tmp_path / f"{dtype}.tif") if source is None else source[0]
        assert np.array_equal(plain(sample)[0], np.where(mask, raw, np.nan), equal_nan=True)
    four = R.integers(1, 200, (5, 16, 16)).astype("u2")
    four[-1] = np.where(mask, 65535, 0)
    write(
        tmp_path / "a.tif",
        four,
        photometric="minisblack",
        planarconfig="separate",
        extrasamples=[0, 0, 0, 2],
        metadata=None,
    )
    assert np.array_equal(plain(tiff.read(tmp_path / "a.tif")), np.where(mask, four[:-1], np.nan), equal_nan=True)


def test_imagej_tells_numbers_with_a_sign_by_a_straight_line(tmp_path, write):
    raw = R.integers(-500, 500, (5, 16, 16)).astype("i2")
    said = "ImageJ=1.53t\nimages=5\nslices=5\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=gray value\n"
    write(
        tmp_path / "a.tif",
        (raw.astype(int) + 32768).astype("u2"),
        photometric="minisblack",
        description=said,
        metadata=None,
    )
    assert np.array_equal(plain(tiff.read(tmp_path / "a.tif"))[0], raw)
    write(
        tmp_path / "b.tif", (raw[0].astype(int) + 32768).astype("u2"), description=said.replace("5", "1"), metadata=None
    )
    assert np.array_equal(plain(images.read(tmp_path / "b.tif"))[0], raw[0])


def test_a_folder_says_what_is_done_about_its_numbers(tmp_path, write):
    for i in range(3):
        write(tmp_path / f"{i}.tif", R.integers(0, 9, (16, 16)).astype("u1"), extratags=tags("0"), metadata=None)
    source = open_source(tmp_path)
    assert "no data (0) kept missing" in source.describe() and np.isnan(plain(source[0])).any()


def test_nifti_scales_and_keeps_what_is_missing(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    raw = R.integers(0, 100, (5, 6, 7)).astype("u1")
    for slope, inter in ((0.5, -10), (0, 3), (np.nan, np.nan)):  # a slope of 0 says nothing (the standard)
        image = nibabel.Nifti1Image(raw, np.eye(4))
        image.header["scl_slope"], image.header["scl_inter"] = slope, inter
        data = bytearray(image.to_bytes())
        data[112:120] = np.array([slope, inter], "<f4").tobytes()
        (tmp_path / "a.nii").write_bytes(data)
        expected = raw.T * (slope or 1) + (inter if slope else 0) if slope == slope else raw.T
        assert np.allclose(nifti.read(tmp_path / "a.nii")["values"][0], expected)
    holed = np.where(raw < 30, np.nan, raw).astype("f4")
    nibabel.save(nibabel.Nifti1Image(holed, np.eye(4)), tmp_path / "b.nii")
    assert np.array_equal(nifti.read(tmp_path / "b.nii")["values"][0], holed.T, equal_nan=True)


def ct(path, pixels, z=None, number=1, uid="1.2.3", **said):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = said.pop(
        "SOPInstanceUID", pydicom.uid.generate_uid()
    )
    data.SeriesInstanceUID, data.InstanceNumber, data.Modality = uid, number, "CT"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    if z is not None:
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    for name, value in said.items():
        setattr(data, name, value)
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def test_padding_of_dicom_is_missing(tmp_path):
    raw = R.integers(0, 3000, (8, 8)).astype("i2")
    raw[:2] = -2000
    path = ct(tmp_path / "a.dcm", raw, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=-2000)
    expected = np.where(raw == -2000, np.nan, raw - 1024.0)
    assert np.array_equal(plain(dicom.read(path))[0], expected, equal_nan=True)
    assert dicom.said(path) == "padding (-2000) kept missing, scaled by 1 - 1024"
    raw[2] = -1990
    ct(path, raw, RescaleIntercept=0, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1980)
    assert np.isnan(plain(dicom.read(path))).sum() == 24
    grey = R.integers(1, 200, (8, 8)).astype("u1")
    grey[:2] = 0
    ct(path, grey, Modality="DX", PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    sample = dicom.read(path)  # padding is of stored numbers, and 8 bits stay shares of their range
    assert sample.dtype == np.uint8 and np.array_equal(
        plain(sample)[0], np.where(grey, 255.0 - grey, np.nan), equal_nan=True
    )


def test_polarity_and_rescaling_of_dicom(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    raw = R.integers(0, 4096, (8, 8)).astype("u2")
    path = tmp_path / "a.dcm"
    ct(path, raw, Modality="CR", PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    assert np.array_equal(dicom.read(path)[0], 4095.0 - raw)
    ct(
        path,
        raw,
        Modality="PT",
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=0.5,
        RescaleIntercept=0,
        Units="BQML",
    )
    assert np.array_equal(dicom.read(path)[0], raw * 0.5)  # an activity is one however it is shown
    ct(path, raw | 0xF000, BitsStored=12)
    assert np.array_equal(dicom.read(path)[0], raw)  # an overlay in the bits above
    ct(path, (raw.astype("i4") - 2048).astype("i2") & 0x0FFF, BitsStored=12, PixelRepresentation=1)
    assert np.array_equal(dicom.read(path)[0], raw - 2048.0)
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = (
        [4096, 0, 16],
        np.arange(8190, -2, -2).astype("<u2").tobytes(),
        "US",
    )
    ct(path, raw, BitsStored=12, ModalityLUTSequence=[table])
    assert np.array_equal(dicom.read(path)[0], 8190.0 - 2 * raw)
    mapping = pydicom.Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.25, 5.0
    ct(path, raw, RealWorldValueMappingSequence=[mapping])
    assert np.array_equal(dicom.read(path)[0], raw * 0.25 + 5)


def test_frames_are_rescaled_each_by_its_own_and_sorted(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    raw = R.integers(0, 100, (4, 8, 8)).astype("u2")
    heights, frames = [6.0, 0.0, 9.0, 3.0], []
    for z, slope in zip(heights, (1, 2, 3, 4), strict=True):
        frame, scale, place, turn = (pydicom.Dataset() for _ in range(4))
        scale.RescaleSlope, scale.RescaleIntercept = slope, 0
        place.ImagePositionPatient, turn.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
        frame.PixelValueTransformationSequence, frame.PlanePositionSequence = [scale], [place]
        frame.PlaneOrientationSequence = [turn]
        frames.append(frame)
    path = ct(tmp_path / "a.dcm", raw, PerFrameFunctionalGroupsSequence=frames)
    sample = dicom.read(path)
    order = np.argsort(heights)
    assert np.array_equal(sample["values"][0], (raw * np.array([1.0, 2, 3, 4])[:, None, None])[order])
    assert sample["spacing"][0] == 3


def levels(volume):
    return np.asarray(volume["values"])[0, :, 0, 0].tolist()


def scan(folder, uid, count=6, prefix="IM", **said):
    for name, at in enumerate(R.permutation(count)):
        ct(folder / f"{prefix}{name}.dcm", np.full((8, 8), at, "i2"), 2.0 * at, count - int(at), uid, **said)


def test_series_are_volumes_and_patients_stay_together(tmp_path):
    for patient in range(4):
        for series in range(2):
            folder = tmp_path / "ct" / ("ill" if patient % 2 else "well") / f"p{patient}" / f"s{series}"
            scan(folder, f"1.{patient}.{series}", PatientID=f"P{patient}", PixelSpacing=[0.7, 0.7])
    ct(
        tmp_path / "ct" / "well" / "scout.dcm",
        np.zeros((8, 8), "i2"),
        0,
        uid="9.9",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    source = open_source(tmp_path / "ct")
    assert (source.kind, len(source), source.classes) == ("volume", 8, ("ill", "well"))
    assert source.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] or len(set(source.groups)) == 4
    assert all(levels(source[i]) == list(range(6)) for i in range(8))
    assert source[0]["spacing"] == pytest.approx([2, 0.7, 0.7])
    assert (
        "48 DICOM slices are stacked into 8 volumes by position" in source.describe() and "1 more" in source.describe()
    )
    pictures = open_source(tmp_path / "ct", "image")
    assert (pictures.kind, len(pictures)) == ("image", 49) and len(set(pictures.groups)) == 5
    assert len(open_source(tmp_path / "ct", "volume")) == 8


def test_folders_of_patients_are_no_classes(tmp_path):
    for patient in range(4):
        scan(tmp_path / f"p{patient}", f"1.{patient}", prefix="")
    for kind, n in ((None, 4), ("image", 24)):
        source = open_source(tmp_path, kind)
        assert (
            len(source) == n
            and source.labels is None
            and "hold a patient each" in source.describe() + "hold a patient each" * (n == 4)
        )
    assert source.groups is not None and len(set(source.groups)) == 4
    (tmp_path / "labels.csv").write_text("patient,label\np0,a\np1,b\np2,a\np3,b\n")
    assert open_source(tmp_path).labels.tolist() == [0, 1, 0, 1]


def test_the_order_of_slices(tmp_path):
    for number in range(1, 13):  # no positions: by number, not by name
        ct(tmp_path / "a" / f"IM{number}.dcm", np.full((8, 8), number, "i2"), None, number)
        ct(tmp_path / "b" / f"IM{number}.dcm", np.full((8, 8), number, "i2"), 5, number)  # one position for all
        ct(
            tmp_path / "c" / f"IM{number}.dcm", np.full((8, 8), number, "i2"), None, None
        )  # neither: by name, 2 before 10
        tilted = {"ImagePositionPatient": [0, -3 * number, 2], "ImageOrientationPatient": [1, 0, 0, 0, 0, 1]}  # coronal
        ct(tmp_path / "d" / f"IM{99 - number}.dcm", np.full((8, 8), number, "i2"), None, 7, **tilted)
    for name in "abcd":
        (volume,) = dicom.series(tmp_path / name)
        assert levels(volume) in (list(range(1, 13)), list(range(12, 0, -1)) if name == "d" else None), name
    assert volume["spacing"][0] == 3


def test_points_in_time_are_volumes_of_one_group_and_copies_count_once(tmp_path):
    for time in range(2):
        for z in range(5):
            ct(tmp_path / "mr" / f"{time}{z}.dcm", np.full((8, 8), 10 * time + z, "i2"), z, 5 * time + z, Modality="MR")
    found = [slices.dicom.slice_of(p) for p in sorted((tmp_path / "mr").iterdir())]
    assert [len(v) for v in dicom.volumes([*found, *found])] == [5, 5]
    source = open_source(tmp_path)
    assert [levels(source[i]) for i in range(2)] == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
    assert len({source.name(0), source.name(1)}) == 2


def test_x_rays_stay_pictures_of_their_patients(tmp_path):
    for i in range(8):  # two views of each in one series: never a volume unasked
        ct(
            tmp_path / "xr" / f"{i}.dcm",
            R.integers(0, 99, (8, 8)).astype("u2"),
            None,
            i % 2,
            f"1.{i // 2}",
            Modality="DX",
            PatientID=f"P{i // 2}",
        )
    source = open_source(tmp_path / "xr")
    assert source.kind == "image" and source.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(open_source(tmp_path / "xr", "volume")) == 4


def test_slices_without_suffixes_and_beside_other_scans(tmp_path):
    for patient in range(3):
        scan(tmp_path / f"p{patient}", f"1.{patient}")
        for path in (tmp_path / f"p{patient}").glob("*.dcm"):
            path.rename(path.with_suffix(""))
    source = open_source(tmp_path)
    assert source.kind == "volume" and [levels(source[i]) for i in range(3)] == [[0, 1, 2, 3, 4, 5]] * 3
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), "i2"), np.eye(4)), tmp_path / "more.nii")
    both = open_source(tmp_path)
    assert len(both) == 4 and both[3]["values"].shape == (1, 4, 4, 4)


def test_missing_pixels_enter_no_statistics():
    for dtype in (np.float32, np.uint8, np.uint16):
        whole = [R.integers(100, 200, (1, 32, 32)).astype(dtype) for _ in range(8)]
        holes = np.zeros((1, 32, 32), bool)
        holes[:, :, :20] = True
        if dtype == np.float32:
            holed = [np.where(holes, np.nan, x).astype(dtype) for x in whole]
        else:
            holed = [np.ma.MaskedArray(x, holes) for x in whole]
        for side in (32, 16):
            want = Want(patch=4, side=side)
            same = ImageTokenizer.fit([x[:, :, 20:] for x in whole] if side == 32 else whole, want)
            tokenizer = ImageTokenizer.fit(holed, want)
            assert tokenizer.mean == pytest.approx(same.mean, rel=0.02)
            assert tokenizer.std == pytest.approx(same.std, rel=0.25)
            fitted = tokenizer.fitted(holed[0])
            assert (
                fitted.dtype == dtype
                and type(fitted) is np.ndarray
                and np.isfinite(fitted).all()
                and fitted.min() >= 100
            )
    bands = [{"bands": np.where(holes, np.nan, R.normal(5, 1, (3, 32, 32)))} for _ in range(8)]
    tokenizer = MultispectralTokenizer.fit(bands, Want(side=32, patch=8))
    assert tokenizer.mean == pytest.approx((5,) * 3, abs=0.1) and tokenizer.std == pytest.approx((1,) * 3, abs=0.1)
    gone = np.zeros((1, 16, 16, 16), bool)
    gone[:, :10] = True
    scans = [np.where(gone, np.nan, R.normal(300, 20, gone.shape)).astype("f4") for _ in range(8)]
    volumes = VolumeTokenizer.fit([{"values": x, "spacing": [1, 1, 1]} for x in scans], Want())
    assert volumes.mean[0] == pytest.approx(300, abs=3) and volumes.std[0] == pytest.approx(20, rel=0.1)
    fitted = volumes.fitted({"values": scans[0]})
    assert np.isfinite(fitted).all() and volumes(fitted).values.isfinite().all()


def test_all_missing_is_refused_in_words():
    empty, hidden = np.full((1, 8, 8), np.nan, np.float32), np.ma.MaskedArray(np.zeros((1, 8, 8), np.uint8), True)
    for tokenizer, sample in (
        (ImageTokenizer(4, 1), empty),
        (ImageTokenizer(4, 1), hidden),
        (VolumeTokenizer(), empty[None]),
    ):
        with pytest.raises(Unreadable, match="missing"):
            tokenizer.fitted(sample)

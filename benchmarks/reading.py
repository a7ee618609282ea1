"""How long headstart takes to read, beside each format's own library in the same run.

    python benchmarks/reading.py [format ...]

Writes a few megabytes of each format into a temporary folder and reads every sample of it, in turns, with headstart and with
the plain library, on one thread. Printed are megabytes a second of the numbers that come out (of texts: of the file), and
seconds of headstart over seconds of the library: the median of the rounds, and the interval from the second least to the second
greatest of them, which holds the true median in 96 of 100 times. Seconds are those of the processor, so that a busy machine
disturbs less. Opening counts where it is what reads (tables, molecules, graphs), and not where samples are read afterwards.
"""

import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy

import numpy as np
from PIL import Image

from headstart.data.open import open_source
from headstart.data.source import Source
from headstart.data.sources.table import TableSource

ROUNDS = 9
RNG = np.random.default_rng(0)
Reads = Callable[[], object]
Case = tuple[Reads, Reads, float]  # the library's, headstart's, megabytes


def smooth(*shape: int) -> np.ndarray:
    """Numbers that compress about as well as measured ones."""
    return (np.cumsum(RNG.standard_normal(shape), -1) * 20 + 2**14).astype(np.int16)


def every(source: Source) -> Reads:
    return lambda: [source[i] for i in range(len(source))]


def one_by_one(
    folder: Path, write: Callable[[Path, int], object], suffix: str, read: Callable[[Path], Any], n: int
) -> Case:
    """Files of one sample each."""
    paths = [folder / f"{i}{suffix}" for i in range(n)]
    for i, path in enumerate(paths):
        write(path, i)
    size = sum(np.asarray(read(path)).nbytes for path in paths[:1]) * n / 1e6
    return lambda: [read(path) for path in paths], every(open_source(folder)), size


def picture(folder: Path, suffix: str) -> Case:
    def write(path: Path, i: int) -> None:
        ramp = np.add.outer(np.arange(512), np.arange(512))[..., None] / 4 + RNG.integers(0, 20, (512, 512, 3)) + i
        Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).save(path)

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    return one_by_one(folder, write, suffix, read, 12)


def tiff(folder: Path) -> Case:
    import tifffile

    def write(path: Path, i: int) -> None:
        tifffile.imwrite(path, smooth(6, 256, 256).astype(np.uint16), planarconfig="separate", photometric="minisblack")

    return one_by_one(folder, write, ".tif", tifffile.imread, 12)


def nifti(folder: Path) -> Case:
    import nibabel

    def write(path: Path, i: int) -> None:
        nibabel.save(nibabel.Nifti1Image(smooth(96, 96, 64), np.diag([-2.0, 2, 3, 1])), path)

    return one_by_one(folder, write, ".nii.gz", lambda p: np.asarray(nibabel.load(p).dataobj, np.float32), 4)


def dicom(folder: Path) -> Case:
    import pydicom

    def write(path: Path, i: int) -> None:
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.1",
            f"1.2.{i}",
            f"1.3.{i}",
        )
        data.Modality, data.PatientID, data.Rows, data.Columns, data.SamplesPerPixel = "CR", str(i), 512, 512, 1
        data.PhotometricInterpretation, data.BitsAllocated, data.BitsStored, data.HighBit = "MONOCHROME2", 16, 16, 15
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 1, 1, -1024
        data.PixelData = smooth(512, 512).tobytes()
        data.save_as(path, enforce_file_format=True)

    def read(path: Path) -> np.ndarray:
        data = pydicom.dcmread(path)
        return np.asarray(pydicom.pixels.apply_modality_lut(data.pixel_array, data), np.float32)

    return one_by_one(folder, write, ".dcm", read, 12)


def sound(folder: Path, suffix: str) -> Case:
    import soundfile

    def write(path: Path, i: int) -> None:
        soundfile.write(path, smooth(2, 8 * 44_100).T - 2**14, 44_100)

    return one_by_one(folder, write, suffix, lambda p: soundfile.read(p, dtype="float32")[0], 8)


def edf(folder: Path) -> Case:
    import edfio

    def write(path: Path, i: int) -> None:
        waves = smooth(8, 60 * 256).astype(np.float64)
        edfio.Edf([edfio.EdfSignal(w, 256, label=f"C{k}") for k, w in enumerate(waves)]).write(path)

    return one_by_one(folder, write, ".edf", lambda p: np.stack([s.data for s in edfio.read_edf(p).signals]), 6)


def las(folder: Path) -> Case:
    import laspy

    def write(path: Path, i: int) -> None:
        cloud = laspy.LasData(laspy.LasHeader(point_format=0, version="1.2"))
        cloud.xyz = RNG.uniform(0, 100, (200_000, 3))
        cloud.intensity = RNG.integers(0, 65_536, 200_000)
        cloud.write(path)

    def read(path: Path) -> np.ndarray:
        cloud = laspy.read(path)
        return np.column_stack([cloud.xyz, cloud.intensity / 65_535]).astype(np.float32)

    return one_by_one(folder, write, ".las", read, 3)


def film(folder: Path) -> Case:
    import av

    def write(path: Path, i: int) -> None:
        with av.open(str(path), "w") as out:
            stream = out.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for k in range(60):
                frame = np.roll(np.add.outer(np.arange(240), np.arange(320)) % 256, 4 * k, 1).astype(np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([frame] * 3, -1), format="rgb24")))
            out.mux(stream.encode(None))

    def read(path: Path) -> np.ndarray:
        with av.open(str(path)) as film:
            film.streams.video[0].codec_context.thread_count = 1
            return np.stack([f.to_ndarray(width=160, height=120, format="rgb24") for f in film.decode(video=0)])

    return one_by_one(folder, write, ".mp4", read, 3)


def midi(folder: Path) -> Case:
    import mido

    def write(path: Path, i: int) -> None:
        track = mido.MidiTrack()
        for k in range(2000):
            for kind in ("note_on", "note_off"):
                track.append(mido.Message(kind, note=40 + (7 * k + i) % 40, velocity=64, time=120))
        made = mido.MidiFile(ticks_per_beat=480)
        made.tracks.append(track)
        made.save(path)

    paths = [folder / f"{i}.mid" for i in range(3)]
    for i, path in enumerate(paths):
        write(path, i)
    size = sum(path.stat().st_size for path in paths) / 1e6
    return lambda: [mido.MidiFile(path) for path in paths], every(open_source(folder)), size


def numpy_(folder: Path) -> Case:
    np.save(folder / "x.npy", smooth(400, 4, 2000).astype(np.float32))
    values = np.load(folder / "x.npy", mmap_mode="r")
    return lambda: [np.array(x) for x in values], every(open_source(folder / "x.npy")), values.nbytes / 1e6


def hdf5(folder: Path) -> Case:
    import h5py

    with h5py.File(folder / "x.h5", "w") as out:
        out.create_dataset("x", data=smooth(200, 4, 4000), chunks=(1, 4, 4000), compression="gzip", compression_opts=1)
    values = h5py.File(folder / "x.h5")["x"]
    source = open_source(folder / "x.h5")
    return lambda: [values[i].astype(np.float32) for i in range(len(values))], every(source), 4 * values.size / 1e6


def zarr_(folder: Path) -> Case:
    import zarr

    path = str(folder / "x.zarr")
    zarr.create_array(path, shape=(200, 4, 4000), chunks=(1, 4, 4000), dtype="i2")[...] = smooth(200, 4, 4000)
    values, source = zarr.open(path, mode="r"), open_source(path)
    return lambda: [np.asarray(values[i], np.float32) for i in range(200)], every(source), 4 * values.size / 1e6


def rows() -> dict[str, list[Any]]:
    """A table as people have it: numbers, whole numbers, words, days."""
    n, words = 20_000, np.array(["red", "green", "blue", "dark blue"])
    table: dict[str, list[Any]] = {f"n{i}": RNG.standard_normal(n).round(4).tolist() for i in range(4)}
    table |= {f"k{i}": RNG.integers(0, 1000, n).tolist() for i in range(2)}
    table["colour"] = words[RNG.integers(0, 4, n)].tolist()
    table["day"] = [
        f"2024-{m:02d}-{d:02d}" for m, d in zip(RNG.integers(1, 13, n), RNG.integers(1, 29, n), strict=True)
    ]
    return table


def table(folder: Path, suffix: str) -> Case:
    path, columns = folder / f"x{suffix}", rows()
    every_row = list(zip(*columns.values(), strict=True))

    def by_csv() -> object:
        with path.open(newline="") as file:
            reader = csv.reader(file)
            next(reader)
            return [[*map(float, row[:6]), *row[6:]] for row in reader]

    def by_json() -> object:
        with path.open() as file:
            return [json.loads(line) for line in file]

    def by_arrow() -> object:
        return parquet.read_table(path).to_pylist()

    if suffix == ".csv":
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([list(columns), *every_row])
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in every_row))
    else:
        import pyarrow as pa
        from pyarrow import parquet

        pa.set_cpu_count(1)
        parquet.write_table(pa.table(columns), path)
    plain = {".csv": by_csv, ".jsonl": by_json, ".parquet": by_arrow}[suffix]

    def ours() -> object:
        source = open_source(path)
        assert isinstance(source, TableSource)
        return [source[i] for i in range(len(source))] if suffix == ".parquet" else source

    return plain, ours, path.stat().st_size / 1e6


def molecules(folder: Path) -> Case:
    from rdkit import Chem

    strings = ("CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "c1ccc2ccccc2c1")
    path = folder / "x.sdf"
    with Chem.SDWriter(str(path)) as out:
        for i in range(1200):
            out.write(Chem.MolFromSmiles(strings[i % 4]))

    def ours() -> object:
        source = open_source(path)
        return [source[i] for i in range(len(source))]

    return lambda: [Chem.MolToSmiles(m) for m in Chem.SDMolSupplier(str(path))], ours, path.stat().st_size / 1e6


def graphs(folder: Path) -> Case:
    import networkx

    path = folder / "x.graphml"
    made = networkx.gnm_random_graph(500, 4000, seed=0)
    networkx.set_node_attributes(made, {i: float(i) for i in made}, "height")
    networkx.write_graphml(made, path)
    return lambda: networkx.read_graphml(path), lambda: open_source(path)[0], path.stat().st_size / 1e6


CASES: dict[str, tuple[str, Callable[[Path], Case]]] = {
    "PNG": ("Pillow", partial(picture, suffix=".png")),
    "JPEG": ("Pillow", partial(picture, suffix=".jpg")),
    "TIFF, 6 bands": ("tifffile", tiff),
    "NIfTI, gzip": ("nibabel", nifti),
    "DICOM": ("pydicom", dicom),
    "WAV": ("soundfile", partial(sound, suffix=".wav")),
    "FLAC": ("soundfile", partial(sound, suffix=".flac")),
    "EDF": ("edfio", edf),
    "NPY": ("numpy", numpy_),
    "HDF5, gzip": ("h5py", hdf5),
    "Zarr 3": ("zarr", zarr_),
    "Parquet": ("pyarrow", partial(table, suffix=".parquet")),
    "CSV": ("csv, float", partial(table, suffix=".csv")),
    "JSON lines": ("json", partial(table, suffix=".jsonl")),
    "LAS": ("laspy", las),
    "SDF": ("RDKit", molecules),
    "MP4": ("PyAV", film),
    "MIDI": ("mido", midi),
    "GraphML": ("networkx", graphs),
}


def seconds(read: Reads) -> float:
    tick = time.process_time()
    read()
    return time.process_time() - tick


def main() -> None:
    asked = [name for name in CASES if not sys.argv[1:] or name.split(",")[0] in sys.argv[1:]]
    if not asked:
        raise SystemExit(f"give some of {', '.join(name.split(',')[0] for name in CASES)}, or nothing for all")
    print("| format | library | MB | library MB/s | headstart MB/s | ratio | interval |")
    print("|---|---|---|---|---|---|---|")
    for name in asked:
        library, make = CASES[name]
        with tempfile.TemporaryDirectory() as place:
            plain, ours, size = make(Path(place))
            plain(), ours()  # imports, and what the system keeps of the files
            pairs = []
            for i in range(ROUNDS):
                first, second = (plain, ours) if i % 2 else (ours, plain)
                took = seconds(first), seconds(second)
                pairs.append(took if i % 2 else took[::-1])
        ratios = sorted(b / a for a, b in pairs)
        rates = [size / sorted(each)[ROUNDS // 2] for each in zip(*pairs, strict=True)]
        middle = f"{ratios[ROUNDS // 2]:.2f} | {ratios[1]:.2f} to {ratios[-2]:.2f}"
        told = " | ".join(f"{x:,.0f}" if x >= 10 else f"{x:.2g}" for x in (size, *rates))
        print(f"| {name} | {library} | {told} | {middle} |", flush=True)
    print(f"\n{ROUNDS} rounds in turns.")


if __name__ == "__main__":
    main()

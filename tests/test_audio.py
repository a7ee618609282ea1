"""Sound: the spectrogram is AST's, rates and channels fall away, silence is finite, and files are read without trust."""

import contextlib
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart.augment.audio import crop
from headstart.data.feeding.prepare import few
from headstart.data.open import open_source
from headstart.data.readers import audio as reader
from headstart.data.sets import drumkits, klettres
from headstart.data.sniff import sniff
from headstart.data.source import DataError
from headstart.data.sources import files
from headstart.data.sources.windows import windowed
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.audio import AudioTokenizer
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.mel import log_mel, mel_filters
from headstart.tokenizers.want import Want

soundfile = pytest.importorskip("soundfile")
R = np.random.default_rng(0)


def tone(hertz, rate, seconds=0.5, channels=1):
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return {"wave": np.repeat(wave[None].astype(np.float32), channels, 0), "rate": rate}


def noise(seconds, rate=16_000, channels=1):
    return {"wave": (0.1 * R.standard_normal((channels, round(seconds * rate)))).astype(np.float32), "rate": rate}


def rng(n):
    return Step(3, 10).rng("x", torch.arange(n))


def test_contract():
    samples = [noise(0.5), noise(0.5), noise(0.01), noise(1.7, 44_100, 2), noise(0.3, 8_000), tone(440, 11_025)]
    samples.append({"wave": np.zeros((1, 900), np.float32), "rate": 16_000})
    samples.append({"wave": R.integers(-9000, 9000, (2, 4000), dtype=np.int16), "rate": 16_000})
    for want in (Want(rows=4), Want(rows=1, rate=8_000), Want(rows=3, rate=2_000)):
        tokenizer = AudioTokenizer.fit(samples, want)
        check_tokenizer(replace(tokenizer, bands=tokenizer.mels), samples)  # of all bands: short sounds make one row
    small = AudioTokenizer(16_000, 16_000, 128, 128, 4, mean=(-7.0,) * 128, std=(4.0,) * 128)
    check_tokenizer(small, [R.standard_normal((1, n)).astype(t) / 9 for n, t in [(640, "f4"), (9000, "f8"), (1, "f2")]])


def test_filters_are_those_of_the_transformers_library():
    utils = pytest.importorskip("transformers.audio_utils")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = utils.mel_filter_bank(257, 128, 20, 8000, 16_000, None, "kaldi", triangularize_in_mel_space=True)
    assert np.abs(mel_filters(16_000, 128, 512).numpy() - theirs).max() < 1e-10


def test_spectrogram_is_that_of_ast():
    transformers = pytest.importorskip("transformers")
    x = (0.1 * R.standard_normal(16_000) + tone(500, 16_000, 1.0)["wave"][0]).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extract = transformers.ASTFeatureExtractor(do_normalize=False, max_length=98)
        theirs = extract(x, sampling_rate=16_000, return_tensors="np")["input_values"][0]
    ours = log_mel(torch.from_numpy(x)[None], 16_000, 128, 400, 160, 512)[0].T.numpy()
    heard = mel_filters(16_000, 128, 512).sum(0).numpy() > 0.05  # AST's window leaves some bands without a frequency
    off = np.abs(ours - theirs)[:, heard]
    assert ours.shape == theirs.shape and np.quantile(off, 0.999) < 1e-4 and off.max() < 1e-3


@pytest.mark.parametrize("rate", [500, 1000, 2_560, 6_000, 8_000, 11_025, 16_000, 22_050, 48_000, 192_000])
def test_every_band_meets_a_frequency_at_every_rate(rate):
    tokenizer = AudioTokenizer.fit([noise(0.5, rate)], Want(rate=rate))
    fft = -(-2 * tokenizer.window // 128) * 128
    assert (mel_filters(rate, tokenizer.mels, fft).sum(0) > 0).all()


def test_a_tone_lies_in_its_band_whatever_the_rate():
    tokenizer = AudioTokenizer.fit([noise(0.5)])
    spectra = [
        tokenizer.kept(tokenizer.fitted(tone(1000, r, 0.5, c))) for r, c in [(16_000, 1), (44_100, 2), (48_000, 1)]
    ]
    loudest = [x[:, 10:40].mean(1).argmax() for x in spectra]
    centre = 700 * (np.exp((31.75 + (2840.0 - 31.75) * (loudest[0] + 1) / 129) / 1127) - 1)
    assert len(set(loudest)) == 1 and abs(centre - 1000) < 30
    assert np.abs(spectra[0][:, 10:40] - spectra[1][:, 10:40]).mean() < 0.5  # of about 15 between tone and floor


def test_resampling_does_not_fold_high_tones_back():
    tokenizer = AudioTokenizer.fit([noise(0.5)])
    high = tokenizer.fitted(tone(13_000, 44_100))[0, 1000:7000]  # above 8 kHz: naive picking would make it 3 kHz
    assert np.abs(high).max() < 0.01 * 0.3


def test_silence_and_loudness_are_finite():
    tokenizer = AudioTokenizer.fit([noise(0.5), {"wave": np.zeros((1, 8000), np.float32), "rate": 16_000}])
    for wave in (np.zeros((1, 5000)), np.full((1, 5000), 1e6), np.full((1, 5000), 1e-30)):
        assert tokenizer(tokenizer.fitted({"wave": wave, "rate": 16_000})).values.isfinite().all()
    silent = AudioTokenizer.fit([{"wave": np.zeros((1, 8000), np.float32), "rate": 16_000}])
    assert set(silent.std) == {1.0}


def test_fit_makes_the_rows_that_were_asked_for_and_standardises():
    for seconds, rows in [(0.4, 32), (0.4, 64), (0.4, 128), (1, 32), (1, 64), (3, 64), (3, 128), (10, 64), (10, 512)]:
        samples = [noise(seconds * f) for f in (0.9, 1.0, 1.1)]
        tokenizer = AudioTokenizer.fit(samples, Want(rows=rows))
        made = len(tokenizer(tokenizer.fitted(samples[1])))
        assert 0.6 * rows <= made <= 1.6 * rows, (seconds, rows, made)
    values = torch.cat([tokenizer(tokenizer.fitted(s)).values for s in samples])
    assert abs(float(values.mean())) < 0.02 and abs(float(values.std()) - 1) < 0.02
    assert AudioTokenizer.fit([noise(0.5, 44_100)]).rate == 22_050
    assert AudioTokenizer.fit([noise(0.5, 8_000)]).rate == 8_000
    asked = AudioTokenizer.fit([noise(2.0)], Want(rate=12_000, longest=5_000, patch=5))
    assert asked.rate == 12_000 and asked.frames == 5 and 5_000 <= asked.longest < 5_000 + asked.patch
    assert asked.fitted(noise(2.0)).shape == (1, asked.longest)


def test_long_sounds_fall_into_few_lengths():
    tokenizer = AudioTokenizer.fit([noise(s) for s in (0.5, 1.0, 2.0)])
    lengths = {tokenizer.fitted(noise(s)).shape[1] for s in np.linspace(0.05, 3, 60)}
    assert all(n % tokenizer.patch == 0 for n in lengths) and len(lengths) <= tokenizer.longest // tokenizer.patch


BAD = [
    None, "a sound", b"", 3, [0.0, 1.0], {}, {"wave": np.zeros((1, 9), np.float32)}, {"wave": None, "rate": 8000},
    {"wave": np.zeros((1, 9), np.float32), "rate": "fast"}, {"wave": np.zeros((1, 9), np.float32), "rate": 0},
    {"wave": np.zeros((1, 9), np.float32), "rate": float("nan")}, {"wave": np.zeros((1, 9), np.float32), "rate": 1e12},
    {"wave": np.zeros((1, 0), np.float32), "rate": 8000}, np.zeros((0, 9), np.float32), np.zeros((2, 3, 4), np.float32),
    np.zeros((1, 9), complex), np.array([["a"]]), np.zeros((1, 9), np.int64), np.zeros((300, 9), np.float32),
    torch.zeros(1, 9).to_sparse(), torch.zeros(1, 9, device="meta"), {"wave": np.zeros((1, 9)), "rate": 10**5000},
    np.full((1, 9), np.nan, np.float32), np.full((1, 9), np.inf), np.full((1, 9), 1e30), np.array(1.0), np.array([{}]),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(BAD)))
def test_what_is_no_sound_is_refused_in_words(at):
    with pytest.raises(Unreadable):
        AudioTokenizer().fitted(BAD[at])


def test_fit_ignores_what_is_no_sound():
    good = noise(0.5)
    assert AudioTokenizer.fit([BAD[1], good, BAD[2]]) == AudioTokenizer.fit([good])
    with pytest.raises(Mistake):
        AudioTokenizer.fit(BAD[:4])


def test_the_same_sound_in_other_numbers_is_the_same():
    x = (0.5 * R.standard_normal((2, 3000))).clip(-0.99, 0.99)
    pcm = np.round(x * 32_767).astype(np.int16)
    tokenizer, whole = AudioTokenizer(), pcm / np.float32(32_768)
    there = tokenizer.fitted(whole)
    for same in (pcm, pcm.astype(">i2"), pcm.astype(np.int32) * 65_536, torch.from_numpy(pcm), whole.astype(">f8")):
        assert np.abs(tokenizer.fitted(same) - there).max() < 1e-6
    assert np.abs(tokenizer.fitted(torch.tensor(whole).bfloat16()) - there).max() < 0.01


def test_crops_are_stretches_of_their_sound():
    tokenizer = AudioTokenizer.fit([noise(0.5)])
    x = torch.from_numpy(np.stack([tokenizer.fitted(noise(0.5)) for _ in range(6)]))
    y = crop(x, rng(6), (0.3, 0.6), 0.5, tokenizer.patch)
    assert y.shape[:2] == (6, 1) and y.shape[2] % tokenizer.patch == 0 and y.isfinite().all()
    assert len(tokenizer.many(y)) > 0
    assert torch.equal(crop(x, rng(6), (0.3, 0.6), 0.5, tokenizer.patch), y)
    order = torch.tensor([3, 1, 0, 5, 4, 2])
    swapped = crop(x[order], Step(3, 10).rng("x", order), (0.3, 0.6), 0.5, tokenizer.patch)
    assert torch.equal(swapped, y[order])
    click = torch.zeros(200, 1, 8000)
    click[:, :, 2000:2100] = 1.0
    heard = crop(click, rng(200), (0.1, 0.1), 0.1, 80).abs().amax((1, 2)) > 0.1
    assert float(heard.float().mean()) > 0.5  # by chance alone a tenth of the stretches would meet the click


FORMATS = [
    ("wav", "PCM_16"),
    ("wav", "FLOAT"),
    ("flac", "PCM_16"),
    ("ogg", "VORBIS"),
    ("mp3", None),
    ("aiff", "PCM_16"),
]


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_files_of_every_format_are_known_by_content_and_read(tmp_path, suffix, subtype):
    path, there = tmp_path / f"a.{suffix}", tone(440, 22_050, 0.5, 2)
    soundfile.write(path, there["wave"].T, 22_050, subtype=subtype)
    other = path.rename(tmp_path / "without")
    assert reader.kind(other.read_bytes()[:4096], other) == "audio"
    back = reader.read(other)
    assert back["rate"] == 22_050 and back["wave"].shape[0] == 2 and back["wave"].dtype == np.float32
    n = min(back["wave"].shape[1], there["wave"].shape[1])
    assert np.abs(np.abs(np.fft.rfft(back["wave"][0])).argmax() * 22_050 / back["wave"].shape[1] - 440) < 5
    if suffix != "mp3":
        assert np.abs(back["wave"][:, :n] - there["wave"][:, :n]).max() < 0.05


def test_other_files_are_none_of_ours(tmp_path):
    for start in (b"", b"RIFF", b"text that is long enough to be looked at" * 9, b"\x89PNG\r\n\x1a\n",
                  b"\xff\xfb\x90\x00" + b"\0" * 900, b"RIFF\0\0\0\0AVI LIST",
                  b"OggS" + b"\0" * 24 + b"\x80theora", b"\xff\xd8\xff\xe0"):  # fmt: skip
        assert reader.kind(start, tmp_path / "x.bin") is None


def test_a_file_that_is_asked_for_whole_is_capped(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.flac", np.zeros(40_000), 8_000)
    monkeypatch.setattr(reader, "VALUES", 3_000)
    assert reader.read(tmp_path / "a.flac")["wave"].shape == (1, 3_000)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_long_recordings_are_read_to_their_end(tmp_path, suffix, monkeypatch):
    """440 Hz for 16 s, then 1,000 Hz: windows hold what lies there, and no window decodes the whole file."""
    t = np.arange(40 * 8000) / 8000
    for i in range(3):
        wave = 0.3 * np.sin(2 * np.pi * np.where(t < 16, 440, 1000) * t)
        soundfile.write(tmp_path / f"{i}.{suffix}", wave, 8000)
    monkeypatch.setattr(files, "BEGIN", 10)
    found = sniff(tmp_path)
    assert found.shapes[0][-1] == pytest.approx(320_000, rel=0.01)
    source = open_source(tmp_path)
    monkeypatch.setattr(reader, "read", None)
    cut = windowed(source, 5, few(source, 3))
    assert len(cut) == 24 and cut.groups.tolist() == [i for i in range(3) for _ in range(8)]
    for at, pitch in ((0, 440), (2, 440), (4, 1000), (7, 1000), (23, 1000)):
        wave = cut[at]["wave"][0][:39_000]
        assert wave.size > 38_000
        heard = np.abs(np.fft.rfft(wave)).argmax() * 8000 / wave.size
        assert heard == pytest.approx(pitch, abs=2), (at, heard)


def test_a_wav_of_which_most_is_missing_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1.0)["wave"].T, 16_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 50])
    with pytest.raises(Unreadable, match="cut short"):
        reader.read(path)
    path.write_bytes(whole[:4] + b"\xff\xff\xff\xff" + whole[8:])  # as programs that write into a pipe do
    assert reader.read(path)["wave"].shape[1] == 16_000


def test_channels_that_cancel_are_heard():
    """A miswired cable: one channel upside down; and three channels of which one is."""
    tone = np.sin(np.arange(16_000) * 0.3).astype("f4")
    tokenizer = AudioTokenizer(rate=16_000, longest=16_000)
    for wave in (np.stack([tone, -tone]), np.stack([tone, -0.9 * tone, 0.8 * tone])):
        assert np.std(tokenizer.fitted({"wave": wave, "rate": 16_000})[0, :16_000]) > 0.6
    apart = np.stack([tone, R.standard_normal(16_000).astype("f4")])  # what is unlike is averaged as it is
    assert np.allclose(tokenizer.fitted({"wave": apart, "rate": 16_000})[0, :16_000], apart.mean(0), atol=1e-5)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
def test_broken_files_are_refused_in_words(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(0.2)["wave"].T, 16_000)
    whole = path.read_bytes()
    changed = [whole[:n] for n in (0, 3, 20, 60, len(whole) // 2)] + [b"this is text, renamed" * 20]
    for _ in range(40):
        x = bytearray(whole)
        for at in R.integers(0, min(len(x), 200), 3):
            x[at] ^= 1 << R.integers(0, 8)
        changed.append(bytes(x))
    refused = 0
    for data in changed:
        path.write_bytes(data)
        try:
            assert reader.read(path)["wave"].size <= reader.VALUES
        except Unreadable:
            refused += 1
    assert refused >= 4


def test_a_wav_that_claims_to_be_huge_takes_no_memory(tmp_path):
    size = 0x7FFFFFF0
    head = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    (tmp_path / "a.wav").write_bytes(head + b"data" + struct.pack("<I", size - 36) + b"\0\0" * 100)
    with contextlib.suppress(Unreadable):
        assert reader.read(tmp_path / "a.wav")["wave"].nbytes <= 4 * reader.SECONDS * 8000


KIT = """<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><instrumentList><instrument><name>Hand Clap</name>
<layer><filename>take-7.wav</filename></layer></instrument></instrumentList></drumkit_info>"""


def test_drumkits_are_labelled_by_name_and_grouped_by_kit(tmp_path, monkeypatch):
    files = [
        "A/BD_01.wav",
        "A/take-7.wav",
        "A/mystery.wav",
        "B/SabianHatOpen-Hard.flac",
        "B/PaisteRide-Soft.flac",
        "B/empty.flac",
    ]
    for f in files:
        (tmp_path / f).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / f, np.zeros(100), 8_000)
    (tmp_path / "A" / "drumkit.xml").write_text(KIT)
    monkeypatch.setattr(drumkits, "unpacked", lambda *_: tmp_path)
    source = drumkits.load()
    named = {f: source.classes[k] if k >= 0 else None for f, k in zip(source.files, source.labels, strict=True)}
    assert named == {files[0]: "kick", files[1]: "clap", files[2]: None, files[3]: "hat", files[4]: "ride"}
    assert source.groups.tolist() == [0, 0, 0, 1, 1] and source[0]["rate"] == 8_000
    with pytest.raises(DataError):
        drumkits.load("nothing")


@pytest.mark.parametrize(("name", "label"), [
    ("PearlSnareRimshot-Soft", "rim"), ("CrashRide18Bell_02", "ride"), ("EE_Hat_Op_Dirty", "hat"), ("CHH_1", "hat"),
    ("HardHse_K_02", "kick"), ("PearlTomFloor-Med", "tom"), ("ft_01", "tom"), ("CB2_01", "crash"), ("mc_cb", "percussion"),
    ("Cowbell-Hardest", "percussion"), ("Djembe1 Slap", "hand drum"), ("Kenkeni1 Bell Hit", "percussion"), ("hh_p", "hat"),
    ("SnareOff", "snare"), ("jsnare_04", "snare"), ("Splash10", "crash"), ("stick_Woody", "rim"), ("EE_Click", None),
    ("beats_06-38", None), ("xFX_6", None),
])  # fmt: skip
def test_names_of_drums(name, label):
    assert drumkits.instrument(name) == label


def test_klettres_knows_languages_and_letters(tmp_path, monkeypatch):
    for language in ("de", "fr"):
        (tmp_path / language / "alpha").mkdir(parents=True)
        lines = [f'<sound name="{n}" file="{language}/alpha/{i}.ogg" />' for i, n in enumerate(("A", "B", "Ä", "Ab"))]
        (tmp_path / language / "sounds.xml").write_text(f"<klettres>{''.join(lines)}</klettres>")
        for i in range(4):
            soundfile.write(tmp_path / language / "alpha" / f"{i}.ogg", noise(0.1)["wave"].T, 16_000)
    monkeypatch.setattr(klettres, "unpacked", lambda *_: tmp_path)
    monkeypatch.setattr(klettres, "LANGUAGES", 2)
    source, letters = klettres.load(), klettres.load("letters")
    assert source.classes == ("de", "fr") and source.labels.tolist() == [0] * 4 + [1] * 4
    assert letters.classes == ("a", "b") and letters.labels.tolist() == [0, 1, 0, 1]
    assert letters.groups.tolist() == [0, 0, 1, 1] and letters[3]["rate"] == 16_000
    with pytest.raises(DataError):
        klettres.load("nothing")

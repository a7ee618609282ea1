"""How loud a sound is, per moment and per pitch band: the log-mel spectrogram of AST (Gong et al. 2021, section 2.1).

Frames of 25 ms every 10 ms lose their mean, are pre-emphasised (0.97) and windowed (Hann); triangles that are evenly spaced on
the mel scale from 20 Hz to half the rate sum their power; the logarithm has a floor, so silence is a number. As in Kaldi.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

LOWEST = 20.0  # Hz
FLOOR = 1.192092955078125e-07  # power that is taken for silence: the epsilon of float32, as in Kaldi
AT_ONCE = 1 << 25  # values in a spectrum that is held at once


def log_mel(waves: Tensor, rate: int, bands: int, window: int, hop: int, fft: int) -> Float[Tensor, "B bands frames"]:
    """Of [B, L] waves in about -1..1: 1 + (L - window) // hop frames, no padding.

    Sums over frequencies are in float64: the numbers of a sound do not depend on which others share its batch.
    """
    filters = mel_filters(rate, bands, fft).to(waves.device)
    shape = torch.hann_window(window, periodic=False, dtype=torch.float32, device=waves.device)
    frames = 1 + (waves.shape[-1] - window) // hop
    each = max(1, AT_ONCE // (frames * fft))
    out = []
    for part in waves.to(torch.float32).split(each):
        x = part.unfold(-1, window, hop)
        x = x - x.mean(-1, keepdim=True)
        x = torch.cat([0.03 * x[..., :1], x[..., 1:] - 0.97 * x[..., :-1]], -1) * shape
        power = torch.view_as_real(torch.fft.rfft(x, fft)).square().sum(-1)
        out.append((power.double() @ filters).clamp(min=FLOOR).log().to(torch.float32).transpose(1, 2))
    return torch.cat(out)


@lru_cache(maxsize=16)
def mel_filters(rate: int, bands: int, fft: int) -> Float[Tensor, "bins bands"]:
    """Triangles in mel, each rising from its lower neighbour's centre to its own and falling to the next; float64."""
    bins = _mel(torch.arange(fft // 2 + 1, dtype=torch.float64) * rate / fft)[:, None]
    low, high = _mel(torch.tensor([LOWEST, rate / 2], dtype=torch.float64)).tolist()
    centres = torch.linspace(low, high, bands + 2, dtype=torch.float64)
    left, middle, right = centres[:-2], centres[1:-1], centres[2:]
    return torch.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clamp(min=0)


def _mel(hertz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hertz / 700.0)

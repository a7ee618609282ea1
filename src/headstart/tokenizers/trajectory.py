"""What an agent saw and did: at every step a row with the state, then a row with the action; or a row for every number."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Ids, Numbers
from .want import Want

STEPS = 1024  # of a sample that are read, unless asked
WIDEST = 512  # numbers in a state and an action together
RAW = 3072
MU, WIDE = 100.0, 256.0  # companding as in Gato (Reed et al. 2022, section 2.2), up to 256 standard deviations


@dataclass(frozen=True)
class TrajectoryTokenizer(Tokenizer):
    """{"state": [T, S], "action": [T, A]} -> 2 T rows of [S + A + 1]; coordinates: step, and 0 (state) or 1 (action).

    A row is the state and zeros, or zeros and the action, standardised per number over the data set, then -1 or 1 for which of
    the two it is. The action follows the state that it answers; one more state than actions is the end that was reached.
    Trajectories are cut after `longest` steps (at most 9,999); actions that are numbers of choices stay numbers.
    bins: every number is a row of its own instead, those of a state, then those of its action, as one of so many bins, which are
    finer near the mean (PASTA, Boige et al. 2023); the third coordinate is its place among them.
    """

    states: int = 1
    actions: int = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    longest: int = STEPS
    bins: int = 0

    kind = "trajectory"
    signal = False

    @classmethod
    def fit(cls, samples: Sequence[Sample], want: Want | None = None) -> "TrajectoryTokenizer":
        """The most common widths of state and action among these samples, and the mean and spread of each number."""
        longest = min((want or Want()).longest or STEPS, 9_999)
        read = []
        for sample in samples:
            try:
                state, action = _parts(sample)
            except Unreadable:
                continue
            if state.shape[1] + action.shape[1] <= WIDEST:
                read.append((state[: longest + 1], action[:longest]))
        if not read:
            raise Mistake(
                f'none of these {len(samples)} samples is a trajectory: give {{"state": [steps, numbers], "action": '
                f"[steps, numbers]}} with at most {WIDEST} numbers in a step"
            )
        widths = [(s.shape[1], a.shape[1]) for s, a in read]
        common = max(sorted(set(widths)), key=widths.count)
        moments = [
            _moments(np.concatenate([pair[i] for pair, w in zip(read, widths, strict=True) if w == common]))
            for i in (0, 1)
        ]
        mean, std = (tuple(map(float, np.concatenate(parts))) for parts in zip(*moments, strict=True))
        return cls(*common, mean, std, longest)

    @property
    def axes(self) -> tuple[str, ...]:
        return ("t [steps]", "state or action", *(("number",) if self.bins else ()))

    @property
    def width(self) -> int:
        """Numbers of a step."""
        return self.states + self.actions

    @property
    def dim(self) -> int:
        return self.bins or self.width + 1

    def fitted(self, sample: Sample) -> dict[str, np.ndarray]:
        """Both in float32, one row of numbers for each step, at most `longest` steps."""
        state, action = _parts(sample)
        for what, x, width in (("states", state, self.states), ("actions", action, self.actions)):
            if x.shape[1] != width:
                raise Unreadable("", f"its {what} have {x.shape[1]} numbers, not {width}")
        limit = min(self.longest, 9_999)
        extra = len(state) - len(action)
        action = action[:limit]
        return {"state": state[: len(action) + extra], "action": action}

    def __call__(self, sample: dict[str, np.ndarray]) -> Tokens:
        state, action = (torch.as_tensor(sample[name]).float() for name in ("state", "action"))
        n, m = len(state), len(action)
        mean, std = (torch.tensor(x).expand(self.width) for x in (self.mean, self.std))
        s = self.states
        state, action = (state - mean[:s]) / std[:s], (action - mean[s:]) / std[s:]
        if self.bins:
            return self._numbers(state, action)
        rows, coords = torch.zeros(n + m, self.dim), torch.zeros(n + m, 2)
        rows[::2, :s], rows[1::2, s:-1] = state, action
        rows[::2, -1], rows[1::2, -1] = -1.0, 1.0
        coords[:, 0] = torch.arange(n + m) // 2
        coords[1::2, 1] = 1.0
        return Tokens(rows, coords, layout((n + m,)))

    def _numbers(self, state: Tensor, action: Tensor) -> Tokens:
        """A row for every number of these, which are standardised; only the last action may be missing."""
        steps = torch.zeros(len(state), self.width)
        steps[:, : self.states], steps[: len(action), self.states :] = state, action
        x = steps.flatten()[: state.numel() + action.numel()]
        at, number = torch.arange(len(x)) // self.width, torch.arange(len(x)) % self.width
        acts = number >= self.states
        coords = torch.stack([at, acts, number - self.states * acts], 1).float()
        return Tokens(binned(x, self.bins), coords, layout((len(x),)))

    def embed(self, width: int) -> nn.Module:
        return Ids(self.bins, width) if self.bins else Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> dict[str, np.ndarray]:
        """States and actions again, in the order of the rows."""
        data = ~tokens.slot
        s, mean, std = self.states, torch.tensor(self.mean), torch.tensor(self.std)
        if self.bins:
            x = middle(tokens.values[data].cpu(), self.bins)
            n, m = -(-len(x) // self.width), len(x) // self.width
            both = torch.nn.functional.pad(x, (0, n * self.width - len(x))).view(n, self.width) * std + mean
            return {"state": both[:, :s].numpy(), "action": both[:m, s:].numpy()}
        x, acts = tokens.values[data].float().cpu(), tokens.coords[data][:, 1].cpu() > 0.5
        both = x[:, :-1] * std + mean
        return {"state": both[~acts, :s].numpy(), "action": both[acts, s:].numpy()}

    def kept(self, sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What `decode` gives back: all of it, or of every number the middle of its bin."""
        return self.decode(self(sample)) if self.bins else sample

    def raw(self, sample: dict[str, np.ndarray]) -> Float[np.ndarray, "F"]:
        """Standardised mean, spread, spread of the change per step and last value of every number, and up to 16 states evenly
        taken; at most 3,072 numbers."""
        mean, std = (np.broadcast_to(np.asarray(x, np.float64), (self.width,)) for x in (self.mean, self.std))
        s, parts = self.states, []
        for name, low, high in (("state", 0, s), ("action", s, self.width)):
            x = (np.asarray(sample[name], np.float64) - mean[low:high]) / std[low:high]
            x = x if len(x) else np.zeros((1, high - low))
            parts += [x.mean(0), x.std(0), np.diff(x, axis=0).std(0) if len(x) > 2 else 0 * x[0], x[-1]]
            if name == "state":
                taken = min(16, max(0, (RAW - 4 * self.width) // s))
                whole = x
        at = np.rint(np.linspace(0, len(whole) - 1, taken)).astype(np.int64)
        return np.concatenate([*parts, whole[at].ravel()]).astype(np.float32)[:RAW]

    def state(self) -> Json:
        return asdict(self)


def companded(x: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """sign(x) log(1 + mu |x|) / log(1 + mu M), within -1..1: the logarithm of a number, straight near zero (mu-law)."""
    return (x.sign() * torch.log1p(MU * x.abs()) / math.log1p(MU * WIDE)).clamp(-1, 1)


def binned(x: Float[Tensor, "N"], bins: int) -> Int[Tensor, "N"]:
    """Which of the even bins of -1..1 each companded number lies in."""
    return ((companded(x) + 1) / 2 * bins).long().clamp(max=bins - 1)


def middle(ids: Int[Tensor, "N"], bins: int) -> Float[Tensor, "N"]:
    """The number in the middle of each bin, in companded space."""
    y = (2 * ids + 1) / bins - 1
    return y.sign() * torch.expm1(y.abs() * math.log1p(MU * WIDE)) / MU


def _parts(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(sample, dict) or not {"state", "action"} <= set(sample):
        raise Unreadable("", 'a trajectory is {"state": [steps, numbers], "action": [steps, numbers]}')
    state, action = _table(sample["state"], "states"), _table(sample["action"], "actions")
    if not len(state):
        raise Unreadable("", "it has no steps")
    if len(state) - len(action) not in (0, 1):
        raise Unreadable("", f"it has {len(state)} states and {len(action)} actions: give an action for each state")
    return state, action


def _table(given: object, what: str) -> np.ndarray:
    try:
        x = np.asarray(given)
    except Exception as error:  # whatever a foreign object or a ragged list does
        raise Unreadable("", f"its {what} make no array ({error})") from error
    if x.dtype.kind not in "biuf":
        raise Unreadable("", f"its {what} are {x.dtype}, not real numbers")
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not x.shape[1]:
        raise Unreadable("", f"its {what} have shape {list(x.shape)}, not [steps, numbers]")
    if x.shape[1] > WIDEST:
        raise Unreadable("", f"its {what} have {x.shape[1]:,} numbers in a step, and {WIDEST} may be")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise Unreadable("", f"its {what} hold NaN or infinite values")
    return x


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of every column; a spread of 1 where nothing changes (or there is nothing)."""
    if not len(x):
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    return mean, np.where((x.max(0) > x.min(0)) & (std > 1e-7 * np.abs(mean)), std, 1.0)

"""What a user hands over as an array, be it numpy's or torch's, as numpy has it."""

import numpy as np
import torch
from torch import Tensor

from ..errors import Unreadable


def as_array(value: object, what: str) -> np.ndarray:
    """The values of an array or tensor (also bfloat16, also on a device), or Unreadable naming `what` they were to be."""
    if isinstance(value, Tensor):
        try:
            value = value.detach().cpu()
            return value.float().numpy() if value.dtype is torch.bfloat16 else value.numpy()
        except (TypeError, RuntimeError, NotImplementedError) as error:  # sparse, quantised, without values
            raise Unreadable("", f"{what} is a tensor that numpy cannot hold ({error})") from error
    if not isinstance(value, np.ndarray):
        raise Unreadable("", f"{what} is an array of numbers, not a {type(value).__name__}")
    return value

"""What weights become in a file: groups of 32 that share a scale in half precision, and their bytes as ggml lays them out."""

import numpy as np
import torch
from torch import Tensor

GROUP = 32


def rounded(weights: Tensor, form: str) -> Tensor:
    scales, numbers = _numbers(weights, form)
    return (scales * numbers).view_as(weights)


def packed(weights: Tensor, form: str) -> np.ndarray:
    """[rows, bytes of a row]."""
    scales, numbers = (part.cpu().numpy() for part in _numbers(weights, form))
    halves = scales.astype(np.float16).view(np.uint8)
    if form == "Q8_0":
        own = numbers.astype(np.int8).view(np.uint8)
    else:
        nibbles = (numbers + 8).astype(np.uint8)
        own = nibbles[:, :16] | nibbles[:, 16:] << 4
    return np.concatenate([halves, own], 1).reshape(len(weights), -1)


def _numbers(weights: Tensor, form: str) -> tuple[Tensor, Tensor]:
    """Scales [groups, 1] and whole numbers [groups, 32]."""
    groups = weights.reshape(-1, GROUP)
    largest = groups.gather(1, groups.abs().argmax(1, keepdim=True))
    scale = largest / -8 if form == "Q4_0" else largest.abs() / 127
    shares = groups * torch.where(scale == 0, scale, 1 / scale)
    numbers = (shares + 8.5).trunc().clamp(0, 15) - 8 if form == "Q4_0" else shares.round()
    return scale.half().float(), numbers

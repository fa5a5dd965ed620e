"""What a model loses when keys and values are kept at reduced width: bits a byte, pass keys, HellaSwag."""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from llama import Llama, Reduction

TEXTS = ("books", "wikitext2")


@torch.no_grad()
def measure(model: Llama, reductions: list[Reduction] | None, data: Mapping[str, np.ndarray], at_once: int) -> dict[str, float]:
    """Figures of one form of the model; `data` as prepare.py wrote it, so many tokens a batch."""
    results: dict[str, float] = {}
    for name in TEXTS:
        losses = [_losses(model, reductions, rows).sum() for rows in _batches(model, data[name], at_once)]
        results[f"{name}BitsPerByte"] = torch.stack(losses).sum().item() / int(data[f"{name}_bytes"]) / math.log(2)
    for name in data:
        if name.startswith("pass_keys_") and not name.endswith("_answers"):
            length = name.removeprefix("pass_keys_")
            results[f"passKeys{length}"] = _recall(model, reductions, data[name], data[f"{name}_answers"], at_once)
    results["hellaswagAccuracyNorm"] = _hellaswag(model, reductions, data, at_once)
    return results


def _batches(model: Llama, rows: np.ndarray, at_once: int) -> list[Tensor]:
    count = max(1, at_once // rows.shape[1])
    return [torch.from_numpy(part.astype(np.int64)).to(model.device) for part in _split(rows, count)]


def _split(rows: np.ndarray, count: int) -> list[np.ndarray]:
    return [rows[start : start + count] for start in range(0, len(rows), count)]


def _losses(model: Llama, reductions: list[Reduction] | None, rows: Tensor) -> Tensor:
    """Nats of each next token: [rows, length - 1]."""
    logits = model.logits(model.states(rows[:, :-1], reductions))
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none").view(len(rows), -1)


def _recall(model: Llama, reductions: list[Reduction] | None, rows: np.ndarray, answers: np.ndarray, at_once: int) -> float:
    """Share of rows whose answer, columns start to end of `answers`, greedy decoding gives word for word."""
    right, places = 0, answers.tolist()
    for tokens in _batches(model, rows, at_once):
        states = model.states(tokens, reductions)
        for row, own in zip(tokens, states, strict=True):
            start, end = places.pop(0)
            right += int(torch.equal(model.logits(own[start - 1 : end - 1]).argmax(-1), row[start:end]))
    return right / len(rows)


def _hellaswag(model: Llama, reductions: list[Reduction] | None, data: Mapping[str, np.ndarray], at_once: int) -> float:
    """Of four endings the one with the most likely bytes counts."""
    rows, ends = data["hellaswag"].astype(np.int64), data["hellaswag_endings"]
    scores = torch.zeros(len(rows), device=model.device)
    # Rows of about the same length at a time: a batch is as long as its longest.
    for own in _split(np.argsort(ends[:, 1], kind="stable"), max(1, at_once // rows.shape[1])):
        start, end, size = (torch.from_numpy(ends[own, place : place + 1]).to(model.device) for place in range(3))
        losses = _losses(model, reductions, torch.from_numpy(rows[own, : ends[own, 1].max()]).to(model.device))
        column = torch.arange(losses.shape[1], device=model.device)
        mine = (column >= start - 1) & (column < end - 1)
        scores[torch.from_numpy(own).to(model.device)] = (losses * mine).sum(1) / size[:, 0]
    right = scores.view(-1, 4).argmin(1) == torch.from_numpy(data["hellaswag_right"]).to(model.device)
    return right.float().mean().item()

"""Which widths to keep at a budget: from whole heads, always narrow those where the outputs change least."""

import time

import torch
from torch import Tensor

from basis import EIGHTHS, Bases
from llama import Llama


@torch.no_grad()
def search_widths(model: Llama, bases: Bases, tokens: Tensor, budgets: list[float], seconds: float) -> dict[float, Tensor]:
    """Widths [layers, 2, kv_heads] in eighths for every budget, found on the rows of `tokens` [rows, length].

    A round tries every head an eighth narrower, by the KL divergence of the outputs, and keeps the best few; as many as it takes to
    be done within about so many seconds.
    """
    widths = torch.full(bases.vectors.shape[:3], EIGHTHS, dtype=torch.long, device=model.device)
    units = widths.numel()
    rotation = model.rotation(tokens.shape[1])
    wanted = model.logits(model.states(tokens)).log_softmax(-1)
    found: dict[float, Tensor] = {}
    started, at_once = time.monotonic(), max(1, units // 40)
    for budget in sorted(budgets, reverse=True):
        target = round(budget * units * EIGHTHS)
        while (left := int(widths.sum()) - target) > 0:
            began = time.monotonic()
            errors = _errors(model, bases, widths, tokens, rotation, wanted)
            count = min(at_once, left, int((widths > 1).sum()))
            widths.view(-1)[errors.view(-1).topk(count, largest=False).indices] -= 1
            now = time.monotonic()
            rounds = max(1.0, (seconds - (now - started)) / (now - began))
            at_once = max(at_once, round((int(widths.sum()) - min(budgets) * units * EIGHTHS) / rounds))
        found[budget] = widths.clone()
    return found


def _errors(model: Llama, bases: Bases, widths: Tensor, tokens: Tensor, rotation: Tensor, wanted: Tensor) -> Tensor:
    """KL divergence of the outputs with one head an eighth narrower: [layers, 2, kv_heads]."""
    layers, rows = widths.shape[0], len(tokens)
    errors = torch.full(widths.shape, torch.inf, device=model.device)
    current = bases.reductions(widths)
    x = model.embed(tokens)
    for layer in range(layers):
        candidates = [tuple(place) for place in (widths[layer] > 1).nonzero().tolist()]
        if candidates:
            tried = widths.repeat(len(candidates), 1, 1, 1)
            for row, place in zip(tried, candidates, strict=True):
                row[layer][place] -= 1
            # All candidates of a layer share the layers below and go through those above as one batch.
            reduced = bases.reductions(tried.repeat_interleave(rows, 0))[layer]
            y = model.layer(layer, x.repeat(len(candidates), 1, 1), rotation, reduced)
            for above in range(layer + 1, layers):
                y = model.layer(above, y, rotation, current[above])
            y = model.norm(y, "output_norm.weight")
            for place, states in zip(candidates, y.split(rows), strict=True):
                errors[(layer, *place)] = divergence(wanted, model.logits(states).log_softmax(-1))
        x = model.layer(layer, x, rotation, current[layer])
    return errors


def divergence(wanted: Tensor, given: Tensor) -> Tensor:
    """Mean over tokens of KL(wanted ‖ given), nats, of log-probabilities [..., vocabulary]."""
    return (wanted.exp() * (wanted - given)).sum(-1).mean()

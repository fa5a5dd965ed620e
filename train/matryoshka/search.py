"""Which widths to keep at a budget: from whole heads, always narrow those where the outputs change least, and trade where that is better."""

import time

import torch
from torch import Tensor

from basis import EIGHTHS, Bases
from llama import Llama

TRADES = 12
"""Of an eighth of one head for an eighth of another, at most, at each budget."""
TRIED = 6
"""Trades of a round that are tried in full."""


class Search:
    """Widths [layers, 2, kv_heads] in eighths, by the divergence of the outputs from `wanted` on the rows of `tokens` [rows, length]."""

    def __init__(self, model: Llama, bases: Bases, tokens: Tensor, wanted: Tensor) -> None:
        self.model, self.bases, self.tokens, self.wanted = model, bases, tokens, wanted
        self.rotation = model.rotation(tokens.shape[1])
        layers, kv_heads = bases.keys.shape[:2]
        self.widths = torch.full((layers, 2, kv_heads), EIGHTHS, dtype=torch.long, device=model.device)

    @torch.no_grad()
    def run(self, budgets: list[float], seconds: float) -> dict[float, Tensor]:
        """A round keeps the best few of all heads an eighth narrower, as many as it takes to be done within about so many seconds."""
        units = self.widths.numel()
        found: dict[float, Tensor] = {}
        started, at_once = time.monotonic(), max(1, units // 40)
        for budget in sorted(budgets, reverse=True):
            target = round(budget * units * EIGHTHS)
            while (left := int(self.widths.sum()) - target) > 0:
                began = time.monotonic()
                errors = self._errors(-1)
                count = min(at_once, left, int((self.widths > 1).sum()))
                self.widths.view(-1)[errors.view(-1).topk(count, largest=False).indices] -= 1
                now = time.monotonic()
                # A trade costs two rounds.
                ahead = (int(self.widths.sum()) - min(budgets) * units * EIGHTHS) / at_once + 2 * TRADES * (len(budgets) - len(found))
                if ahead * (now - began) > seconds - (now - started):
                    at_once += 1
            self._trade(started + seconds)
            found[budget] = self.widths.clone()
        return found

    def _trade(self, end: float) -> None:
        """Gives an eighth of one head to another while that makes the outputs better."""
        best = self._error(self.widths)
        for _ in range(TRADES):
            if time.monotonic() > end:
                return
            loss, gain = self._errors(-1).view(-1), self._errors(1).view(-1)
            sums = loss[:, None] + gain[None]
            sums.fill_diagonal_(torch.inf)
            trials = []
            for place in sums.view(-1).topk(TRIED, largest=False).indices.tolist():
                tried = self.widths.clone()
                tried.view(-1)[place // len(loss)] -= 1
                tried.view(-1)[place % len(loss)] += 1
                trials.append((self._error(tried), tried))
            error, tried = min(trials, key=lambda trial: trial[0])
            if error >= best:
                return
            best, self.widths = error, tried

    def _error(self, widths: Tensor) -> float:
        states = self.model.states(self.tokens, self.bases.reductions(widths))
        return divergence(self.wanted, self.model.logits(states).log_softmax(-1)).item()

    def _errors(self, step: int) -> Tensor:
        """Divergence with one head so many eighths wider: [layers, 2, kv_heads]."""
        model, widths, rotation = self.model, self.widths, self.rotation
        layers, rows = widths.shape[0], len(self.tokens)
        errors = torch.full(widths.shape, torch.inf, device=model.device)
        current = self.bases.reductions(widths)
        x = model.embed(self.tokens)
        for layer in range(layers):
            wider = widths[layer] + step
            candidates = [tuple(place) for place in ((wider >= 1) & (wider <= EIGHTHS)).nonzero().tolist()]
            if candidates:
                tried = widths.repeat(len(candidates), 1, 1, 1)
                for row, place in zip(tried, candidates, strict=True):
                    row[layer][place] += step
                # All candidates of a layer share the layers below and go through those above as one batch.
                reduced = self.bases.reductions(tried.repeat_interleave(rows, 0))[layer]
                y = model.layer(layer, x.repeat(len(candidates), 1, 1), rotation, reduced)
                for above in range(layer + 1, layers):
                    y = model.layer(above, y, rotation, current[above])
                y = model.norm(y, "output_norm.weight")
                for place, states in zip(candidates, y.split(rows), strict=True):
                    errors[(layer, *place)] = divergence(self.wanted, model.logits(states).log_softmax(-1))
            x = model.layer(layer, x, rotation, current[layer])
        return errors


def divergence(wanted: Tensor, given: Tensor) -> Tensor:
    """Mean over tokens of KL(wanted ‖ given), nats, of log-probabilities [..., vocabulary]."""
    return (wanted.exp() * (wanted - given)).sum(-1).mean()

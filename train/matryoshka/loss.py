"""The loss of a step, and its gradient by what the head reads, without logits of all tokens at a time."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

AT_ONCE = 4096
"""Tokens whose logits exist at a time."""

Part = Callable[[Tensor, Tensor | None, Tensor, float], tuple[Tensor, Tensor]]


def part(given: Tensor, wanted: Tensor | None, targets: Tensor, distilled: float) -> tuple[Tensor, Tensor]:
    """Of logits [tokens, vocabulary]: sums of the loss, of the divergence from the wanted ones and of the next token's nats, and the loss's gradient
    by `given`. Where none are wanted the loss is the next token's."""
    of_given = given.float().log_softmax(-1)
    right = torch.arange(given.shape[-1], device=given.device) == targets[:, None]
    next_token = -torch.where(right, of_given, 0.0).sum()
    if wanted is None:
        return torch.stack([next_token, torch.zeros_like(next_token), next_token]), (of_given.exp() - right.float()).to(given.dtype)
    of_wanted = wanted.float().log_softmax(-1)
    likely = of_wanted.exp()
    divergence = (likely * (of_wanted - of_given)).sum()
    gradient = of_given.exp() - distilled * likely - (1 - distilled) * right
    return torch.stack([distilled * divergence + (1 - distilled) * next_token, divergence, next_token]), gradient.to(given.dtype)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states: Tensor, wanted: Tensor, head: Tensor, wanted_head: Tensor, targets: Tensor, distilled: float, of_part: Part) -> tuple[Tensor, Tensor]:
        sums = torch.zeros(3, device=states.device)
        by_states = torch.empty_like(states)
        by_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[2] else None
        for own in [*_slices(0, len(wanted)), *_slices(len(wanted), len(states))]:
            logits = F.linear(wanted[own], wanted_head) if own.start < len(wanted) else None
            figures, gradient = of_part(F.linear(states[own], head), logits, targets[own], distilled)
            sums = sums + figures
            torch.mm(gradient, head, out=by_states[own])
            if by_head is not None:
                by_head += gradient.mT @ states[own]
        total, divergence, next_token = sums
        means = torch.stack([divergence / max(1, len(wanted)), next_token / len(states)])
        ctx.save_for_backward(by_states, by_head)
        ctx.count = len(states)
        ctx.mark_non_differentiable(means)
        return total / len(states), means

    @staticmethod
    def backward(ctx, by_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        by_states, by_head = ctx.saved_tensors
        share = by_loss / ctx.count
        return by_states * share.to(by_states.dtype), None, None if by_head is None else (by_head * share).to(by_states.dtype), None, None, None, None


def _slices(start: int, end: int) -> list[slice]:
    return [slice(first, min(end, first + AT_ONCE)) for first in range(start, end, AT_ONCE)]


def loss(
    states: Tensor, wanted: Tensor, head: Tensor, wanted_head: Tensor, targets: Tensor, distilled: float, of_part: Part
) -> tuple[Tensor, Tensor]:
    """(loss, [divergence, next token's nats]), means over tokens; states [rows, length, hidden] as the heads read them, in their precision.

    The wanted ones may be of the first rows alone: the loss of the others is the next token's.
    """
    return _Loss.apply(states.flatten(0, 1), wanted.flatten(0, 1), head, wanted_head, targets.flatten(), distilled, of_part)

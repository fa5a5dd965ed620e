"""The loss of a step, and its gradient by what the head reads, without logits of all tokens at a time."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

AT_ONCE = 4096
"""Tokens whose logits exist at a time."""

Part = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]


def part(given: Tensor, wanted: Tensor, targets: Tensor, distilled: float) -> tuple[Tensor, Tensor]:
    """Of logits [tokens, vocabulary]: sums of the divergence from the wanted ones and of the next token's nats, and the loss's gradient by `given`."""
    of_given, of_wanted = given.float().log_softmax(-1), wanted.float().log_softmax(-1)
    right = torch.arange(given.shape[-1], device=given.device) == targets[:, None]
    likely = of_wanted.exp()
    divergence = (likely * (of_wanted - of_given)).sum()
    next_token = -torch.where(right, of_given, 0.0).sum()
    gradient = of_given.exp() - distilled * likely - (1 - distilled) * right
    return torch.stack([divergence, next_token]), gradient.to(given.dtype)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states: Tensor, wanted: Tensor, head: Tensor, targets: Tensor, distilled: float, of_part: Part) -> tuple[Tensor, Tensor]:
        sums = torch.zeros(2, device=states.device)
        by_states = torch.empty_like(states)
        by_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[2] else None
        for start in range(0, len(states), AT_ONCE):
            own = slice(start, start + AT_ONCE)
            figures, gradient = of_part(F.linear(states[own], head), F.linear(wanted[own], head), targets[own], distilled)
            sums = sums + figures
            torch.mm(gradient, head, out=by_states[own])
            if by_head is not None:
                by_head += gradient.mT @ states[own]
        means = sums / len(states)
        ctx.save_for_backward(by_states, by_head)
        ctx.count = len(states)
        ctx.mark_non_differentiable(means)
        return distilled * means[0] + (1 - distilled) * means[1], means

    @staticmethod
    def backward(ctx, by_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        by_states, by_head = ctx.saved_tensors
        share = by_loss / ctx.count
        return by_states * share.to(by_states.dtype), None, None if by_head is None else (by_head * share).to(by_states.dtype), None, None, None


def loss(states: Tensor, wanted: Tensor, head: Tensor, targets: Tensor, distilled: float, of_part: Part) -> tuple[Tensor, Tensor]:
    """(loss, [divergence, next token's nats]), means over tokens; states [rows, length, hidden] as the head reads them, in its precision."""
    return _Loss.apply(states.flatten(0, 1), wanted.flatten(0, 1), head, targets.flatten(), distilled, of_part)

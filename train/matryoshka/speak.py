"""What a model says to prompts: text to tune on that it would speak by itself."""

import torch
from torch import Tensor

from llama import Cache, Llama


@torch.no_grad()
def spoken(model: Llama, prompts: Tensor, lengths: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """[rows, length] tokens: each row its prompt of `lengths` tokens, then drawn ones."""
    rows, longest = prompts.shape
    tokens = torch.zeros(rows, length, dtype=torch.long, device=model.device)
    tokens[:, :longest] = prompts
    cache, turns = Cache(model.shape, rows, length, model.device, model.dtype), model.rotation(length)
    for position in range(length - 1):
        x, rotation = model.embed(tokens[:, position : position + 1]), turns[:, :, position : position + 1]
        for layer in range(model.shape.layers):
            x = model.layer(layer, x, rotation, cache=cache)
        cache.length += 1
        chances = model.logits(model.norm(x, "output_norm.weight"))[:, 0].softmax(-1)
        drawn = torch.multinomial(chances, 1, generator=generator)[:, 0]
        tokens[:, position + 1] = torch.where(position + 1 < lengths, tokens[:, position + 1], drawn)
    return tokens

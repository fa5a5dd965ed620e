"""Puts a layer's heads in order for a router by query norms, without changing what the layer computes.

One group of query heads (those of one KV head) goes first: its heads will always be on. Queries of the other groups are scaled, and their
keys inversely, which decides between the groups. Of all that is tried, the arrangement stays whose gates change the layer's attention least.
"""

import torch
from torch import Tensor

from student import SHARED_HEADS, moh_shape, query_norm_gates
from llama import Llama, attend  # student.py knows where it is

RATIOS = (0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8)
"""Between the lengths of the queries of the two groups that are not first."""


@torch.no_grad()
def arranged(model: Llama, tokens: Tensor) -> dict[str, Tensor]:
    """The changed weights, float32, by name. `tokens` [rows, length] are what it is tried on."""
    shape = model.shape
    share = shape.heads // shape.kv_heads
    if share != SHARED_HEADS or shape.kv_heads != 3:
        raise ValueError(f"the recipe is for 3 groups of {SHARED_HEADS} heads, not {shape.kv_heads} of {share}")
    changed = {}
    x, rotation = model.embed(tokens), model.rotation(tokens.shape[1])
    for layer in range(shape.layers):
        h = model.norm(x, f"blk.{layer}.attn_norm.weight")
        q, k, v = model.query_key_value(layer, h, rotation)
        output = model.weights[f"blk.{layer}.attn_output.weight"].float().unflatten(1, (shape.kv_heads, -1))
        order, factors = _best(model, q, attend(q, k, v), output)
        scales = {"attn_q": factors, "attn_k": 1 / factors, "attn_v": torch.ones_like(factors)}
        for part, scale in scales.items():
            name = f"blk.{layer}.{part}.weight"
            rows = model.weights[name].float().unflatten(0, (shape.kv_heads, -1))[order]
            changed[name] = (rows * scale[:, None, None]).flatten(0, 1)
        changed[f"blk.{layer}.attn_output.weight"] = output[:, order].flatten(1)
        x = model.layer(layer, x, rotation)
    return changed


def _best(model: Llama, q: Tensor, attended: Tensor, output: Tensor) -> tuple[list[int], Tensor]:
    """(order of the groups, factors on their queries in that order)."""
    by_group = q.unflatten(1, (len(output[0]), -1))
    lengths = by_group.float().norm(dim=-1).mean((0, 2, 3))
    heads = attended.unflatten(1, (len(output[0]), -1))
    found = []
    for first in range(len(lengths)):
        order = [first, *(group for group in range(len(lengths)) if group != first)]
        for ratio in RATIOS:
            factors = lengths[order[1]] / lengths[order]
            factors[0], factors[1] = 1.0, ratio
            scaled = (by_group[:, order] * factors[:, None, None, None]).flatten(1, 2)
            gates = query_norm_gates(scaled, moh_shape(model.shape))[0]
            lost = heads[:, order].flatten(1, 2) * (1 - gates).unsqueeze(-1)
            error = (lost.transpose(1, 2).flatten(2) @ output[:, order].flatten(1).T).square().mean()
            found.append((error.item(), order, factors))
    _, order, factors = min(found, key=lambda entry: entry[0])
    return order, factors

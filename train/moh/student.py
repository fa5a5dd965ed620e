"""A llama whose attention and norms are tuned through the rounding of the file, with Mixture-of-Head attention or dense.

The router has no weights (arXiv 2410.11842, section 4.3): of the heads that are not shared, those with the longest queries are on.
Gates are 0 or 1; their gradient is that of the softmax of the norms over their deviation.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "matryoshka"))
from llama import Llama, Shape, attend, rotate  # noqa: E402
from rounding import GROUP, rounded  # noqa: E402

FORM = "Q4_1"
SHARED_HEADS, ACTIVE_HEADS = 3, 7
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output")
NORMS = ("attn_norm", "ffn_norm")
FEED_FORWARD = ("ffn_gate", "ffn_up", "ffn_down")

Block = Callable[[Tensor, Tensor, dict[str, Tensor], Shape], tuple[Tensor, Tensor, Tensor]]


def moh_shape(shape: Shape) -> Shape:
    return replace(shape, shared_heads=SHARED_HEADS, active_heads=ACTIVE_HEADS, router="query-norm")


class Student(nn.Module):
    """`start`: the weights to begin with, in float32, by their names in the file. All but attention and norms stay as they are."""

    def __init__(self, base: Llama, start: dict[str, Tensor], shape: Shape) -> None:
        super().__init__()
        self.base, self.shape = base, shape
        self.tuned = nn.ParameterDict({_key(name): nn.Parameter(start[name].float().clone()) for name in tuned_names(shape)})

    def states(self, tokens: Tensor, block: Block) -> tuple[Tensor, Tensor, Tensor]:
        """Normalized states [rows, length, hidden] that the head reads, the routers' mean balance loss, and the share of tokens that
        each routed head takes, [layers, routed heads]."""
        x, rotation = self.base.embed(tokens), self.base.rotation(tokens.shape[1])
        balances, loads = [], []
        for layer in range(self.shape.layers):
            x, balance, load = block(x, rotation, self._weights_of(layer), self.shape)
            balances.append(balance)
            loads.append(load)
        x = F.rms_norm(x, x.shape[-1:], self.tuned[_key("output_norm.weight")], self.shape.epsilon)
        return x, torch.stack(balances).mean(), torch.stack(loads)

    @torch.no_grad()
    def stored(self) -> dict[str, Tensor]:
        """The tuned weights as a file gives them back."""
        weights = {name: self.tuned[_key(name)].detach() for name in tuned_names(self.shape)}
        return {name: as_stored(weight) if weight.ndim == 2 else weight.clone() for name, weight in weights.items()}

    def _weights_of(self, layer: int) -> dict[str, Tensor]:
        names = [f"blk.{layer}.{part}.weight" for part in (*MATRICES, *NORMS)]
        frozen = [f"blk.{layer}.{part}.weight" for part in FEED_FORWARD]
        parts = (*MATRICES, *NORMS, *FEED_FORWARD)
        values = [*(self.tuned[_key(name)] for name in names), *(self.base.weights[name] for name in frozen)]
        return dict(zip(parts, values, strict=True))


def as_stored(matrix: Tensor) -> Tensor:
    return rounded(matrix.view(-1, GROUP), FORM).view_as(matrix)


def straight_through(matrix: Tensor) -> Tensor:
    """The rounded matrix, with the gradient of the matrix itself."""
    return matrix + (as_stored(matrix) - matrix).detach()


def tuned_names(shape: Shape) -> list[str]:
    layers = [f"blk.{layer}.{part}.weight" for layer in range(shape.layers) for part in (*MATRICES, *NORMS)]
    return [*layers, "output_norm.weight"]


def block(x: Tensor, rotation: Tensor, weights: dict[str, Tensor], shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """One layer: (x, balance loss, share of tokens by routed head). Products are in the feed-forward weights' precision."""
    dtype = weights["ffn_gate"].dtype
    q_weight, k_weight, v_weight, output_weight = (straight_through(weights[name]).to(dtype) for name in MATRICES)
    h = F.rms_norm(x, x.shape[-1:], weights["attn_norm"], shape.epsilon).to(dtype)
    q, k, v = (F.linear(h, weight).unflatten(2, (-1, shape.head_dim)).transpose(1, 2) for weight in (q_weight, k_weight, v_weight))
    attended = attend(rotate(q, rotation), rotate(k, rotation), v)
    balance, load = x.new_zeros(()), x.new_ones(1)
    if shape.active_heads:
        gates, balance, load = query_norm_gates(q, shape)
        attended = attended * gates.to(dtype).unsqueeze(-1)
    x = x + F.linear(attended.transpose(1, 2).flatten(2), output_weight).float()
    h = F.rms_norm(x, x.shape[-1:], weights["ffn_norm"], shape.epsilon).to(dtype)
    inner = F.silu(F.linear(h, weights["ffn_gate"])) * F.linear(h, weights["ffn_up"])
    return x + F.linear(inner, weights["ffn_down"]).float(), balance, load


def query_norm_gates(q: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Gates [rows, heads, length] of queries [rows, heads, length, head_dim], the loss that balances them, and the share of tokens
    by routed head. A rotation leaves norms as they are, so queries may be rotated or not."""
    routed, active = shape.heads - shape.shared_heads, shape.active_heads - shape.shared_heads
    norms = q[:, shape.shared_heads :].float().norm(dim=-1)
    likely = (norms / (norms.std(1, keepdim=True) + 1e-6)).softmax(1)
    chosen = torch.zeros_like(likely).scatter(1, norms.topk(active, dim=1).indices, 1.0)
    load = chosen.mean((0, 2))
    # As in vitrail-small/model.py: mean probability times share of choices.
    balance = (likely.mean((0, 2)) * load).mean() * routed**2
    routed_gates = chosen + (likely - likely.detach())
    return torch.cat([torch.ones_like(norms[:, :1]).expand(-1, shape.shared_heads, -1), routed_gates], 1), balance, load


def _key(name: str) -> str:
    """Modules' names hold no dots."""
    return name.replace(".", "-")

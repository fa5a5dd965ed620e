"""A Llama decoder out of a GGUF file, whose keys and values can be read at reduced width.

RoPE rotates neighbouring pairs (2i, 2i+1), as the rows of GGUF's attn_q and attn_k are ordered: a basis is of keys in that order.
Where the file has Mixture-of-Head routers (`vitrail.moh.*`), they act as in `vitrail-small/model.py`, or go by the norms of queries.
"""

import sys
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

TRAIN = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TRAIN), str(TRAIN / "vitrail-small/write")]
from gguf_arrays import read_gguf  # noqa: E402

FORMS = {2: "Q4_0", 3: "Q4_1"}
"""Of most matrices, by `general.file_type`."""


def is_narrowing(name: str) -> bool:
    """A tensor that a file has for narrow caches alone."""
    return name.endswith(("attn_k_basis.weight", "attn_v_basis.weight", "attn_v_mean.weight"))


@dataclass(frozen=True)
class Shape:
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    epsilon: float
    rope_base: float
    shared_heads: int = 0
    active_heads: int = 0
    """0: no Mixture-of-Head."""
    router: str = "learned"
    """Or "query-norm": the routed heads with the longest queries are on, with a gate of 1."""


@dataclass(frozen=True)
class Reduction:
    """What one layer keeps of keys and values. Row j of a basis is its vector number j, most important first."""

    keys: Tensor
    """[kv_heads, head_dim, head_dim], orthogonal, of rotated keys. The weights have values in their basis."""
    mean: Tensor
    """[kv_heads, head_dim]: what coefficients of a value are assumed to be where they are left out."""
    keep_keys: Tensor
    """[rows or 1, kv_heads, 1, head_dim]: 1 for the first r vectors, else 0."""
    keep_values: Tensor


class Cache:
    """Keys and values of all layers, for decoding all rows token by token."""

    def __init__(self, shape: Shape, rows: int, length: int, device: torch.device, dtype: torch.dtype) -> None:
        self.states = torch.zeros(shape.layers, 2, rows, shape.kv_heads, length, shape.head_dim, device=device, dtype=dtype)
        self.length = 0

    def with_new(self, layer: int, k: Tensor, v: Tensor) -> Tensor:
        """[2, rows, kv_heads, tokens so far, head_dim]."""
        own = self.states[layer, ..., : self.length + 1, :]
        own[0, :, :, -1:], own[1, :, :, -1:] = k, v
        return own


class Llama:
    def __init__(self, path: Path, device: torch.device, dtype: torch.dtype) -> None:
        metadata, arrays = read_gguf(path)
        if metadata["general.architecture"] != "llama":
            raise ValueError(f"{path} holds a {metadata['general.architecture']}, not a llama")
        heads, hidden = metadata["llama.attention.head_count"], metadata["llama.embedding_length"]
        self.shape = Shape(
            layers=metadata["llama.block_count"],
            heads=heads,
            kv_heads=metadata["llama.attention.head_count_kv"],
            head_dim=hidden // heads,
            context=metadata["llama.context_length"],
            epsilon=metadata["llama.attention.layer_norm_rms_epsilon"],
            rope_base=metadata.get("llama.rope.freq_base", 10_000.0),
            shared_heads=metadata.get("vitrail.moh.shared_heads", 0),
            active_heads=metadata.get("vitrail.moh.active_heads", 0),
            router=metadata.get("vitrail.moh.router", "learned"),
        )
        self.device, self.dtype = device, dtype
        self.form = FORMS.get(metadata["general.file_type"])
        self.block = block
        self.weights = {
            name: torch.tensor(array).to(device, torch.float32 if array.ndim == 1 or "moh_" in name else dtype)
            for name, array in arrays.items()
            if not is_narrowing(name)
        }
        self.parts = [name.removeprefix("blk.0.") for name in self.weights if name.startswith("blk.0.")]

    @property
    def head(self) -> Tensor:
        return self.weights.get("output.weight", self.weights["token_embd.weight"])

    def with_weights(self, weights: dict[str, Tensor], shape: Shape | None = None) -> "Llama":
        """The same model with these weights instead of its own, or another one's shape with them."""
        other = copy(self)
        other.weights, other.shape = self.weights | weights, shape or self.shape
        return other

    @torch.no_grad()
    def dense(self, tokens: Tensor) -> "Llama":
        """One with all heads on: a head's columns of the output take in its mean gate over these tokens [rows, length], 0 where it is off."""
        x, rotation = self.embed(tokens), self.rotation(tokens.shape[1])
        weights: dict[str, Tensor] = {}
        for layer in range(self.shape.layers):
            own, name = self.of_layer(layer), f"blk.{layer}.attn_output.weight"
            h, q, *_ = _projected(self.shape, self.dtype, own, x, rotation)
            mean = gates(self.shape, own, h, q).flatten(0, 1).mean(0)
            weights[name] = self.weights[name] * mean.repeat_interleave(self.shape.head_dim)
            x = self.layer(layer, x, rotation)
        return self.with_weights(weights, replace(self.shape, active_heads=0))

    def in_precision(self, dtype: torch.dtype) -> "Llama":
        other = copy(self)
        other.dtype = dtype
        other.weights = {name: weight.to(dtype) if weight.ndim == 2 and "moh_" not in name else weight for name, weight in self.weights.items()}
        return other

    def compiled(self) -> "Llama":
        """All layers are one function, once for each form of what it is given."""
        other = copy(self)
        other.block = torch.compile(block, dynamic=False)
        return other

    def rotation(self, length: int, offsets: Tensor | None = None) -> Tensor:
        """[rows or 1, 1, length, head_dim / 2, 2]: cosine and sine at positions from `offsets` [rows] on."""
        half = self.shape.head_dim // 2
        frequencies = self.shape.rope_base ** (-torch.arange(half, dtype=torch.float64, device=self.device) / half)
        positions = torch.arange(length, dtype=torch.float64, device=self.device)[None]
        if offsets is not None:
            positions = positions + offsets[:, None]
        angles = positions[:, None, :, None] * frequencies
        return torch.stack([angles.cos(), angles.sin()], -1).float()

    def embed(self, tokens: Tensor) -> Tensor:
        """[rows, length, hidden], in single precision: SmolLM2's residual stream reaches 25,000."""
        # The gradient of `index_select` waits for nothing, so a CUDA graph can hold it.
        return self.weights["token_embd.weight"].index_select(0, tokens.flatten()).view(*tokens.shape, -1).float()

    def states(self, tokens: Tensor, reductions: list[Reduction] | None = None, offsets: Tensor | None = None) -> Tensor:
        """Normalized states [rows, length, hidden] that the head reads."""
        x, rotation = self.embed(tokens), self.rotation(tokens.shape[1], offsets)
        if torch.is_grad_enabled() and not x.requires_grad:
            # The first layer is then compiled like all others.
            x.requires_grad_()
        for layer in range(self.shape.layers):
            x = self.layer(layer, x, rotation, reductions[layer] if reductions else None)
        return self.norm(x, "output_norm.weight")

    def logits(self, states: Tensor) -> Tensor:
        return F.linear(states.to(self.dtype), self.head.to(self.dtype)).float()

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weights[name], self.shape.epsilon)

    def layer(self, layer: int, x: Tensor, rotation: Tensor, reduction: Reduction | None = None, cache: Cache | None = None) -> Tensor:
        own = self.of_layer(layer)
        if cache is None:
            return self.block(self.shape, self.dtype, own, x, rotation, reduction)
        h, q, k, v = _projected(self.shape, self.dtype, own, x, rotation)
        query, k, v = (q, k, v) if reduction is None else reduced(q, k, v, reduction)
        attended = attend_one(query, *cache.with_new(layer, k, v))
        return finished(self.shape, self.dtype, own, x, attended, gates(self.shape, own, h, q))

    def query_key_value(self, layer: int, h: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries and keys, and values, each [rows, heads, length, head_dim]."""
        return _query_key_value(self.shape, self.dtype, self.of_layer(layer), h, rotation)

    def of_layer(self, layer: int) -> dict[str, Tensor]:
        """Its weights, by their names without the layer's."""
        return {part: self.weights[f"blk.{layer}.{part}"] for part in self.parts}


def block(shape: Shape, dtype: torch.dtype, own: dict[str, Tensor], x: Tensor, rotation: Tensor, reduction: Reduction | None) -> Tensor:
    """A layer, by its own weights."""
    h, q, k, v = _projected(shape, dtype, own, x, rotation)
    return finished(shape, dtype, own, x, attend(q, k, v, reduction), gates(shape, own, h, q))


def _projected(shape: Shape, dtype: torch.dtype, own: dict[str, Tensor], x: Tensor, rotation: Tensor) -> tuple[Tensor, ...]:
    """What attention reads, normalized, and its queries, keys and values."""
    h = F.rms_norm(x, x.shape[-1:], own["attn_norm.weight"], shape.epsilon)
    return h, *_query_key_value(shape, dtype, own, h, rotation)


def _query_key_value(shape: Shape, dtype: torch.dtype, own: dict[str, Tensor], h: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = (linear(h, own[f"attn_{part}.weight"], dtype).unflatten(2, (-1, shape.head_dim)).transpose(1, 2) for part in "qkv")
    return rotate(q, rotation), rotate(k, rotation), v


def finished(shape: Shape, dtype: torch.dtype, own: dict[str, Tensor], x: Tensor, attended: Tensor, of_heads: Tensor | None) -> Tensor:
    """The layer's output, from that of its heads [rows, heads, length, head_dim] and their gates."""
    attended = attended.transpose(1, 2)
    if of_heads is not None:
        attended = attended * of_heads.to(attended.dtype).unsqueeze(-1)
    x = x + linear(attended.flatten(2), own["attn_output.weight"], dtype).float()
    h = F.rms_norm(x, x.shape[-1:], own["ffn_norm.weight"], shape.epsilon)
    inner = F.silu(linear(h, own["ffn_gate.weight"], dtype)) * linear(h, own["ffn_up.weight"], dtype)
    return x + linear(inner, own["ffn_down.weight"], dtype).float()


def linear(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    return F.linear(x.to(dtype), weight.to(dtype))


def gates(shape: Shape, own: dict[str, Tensor], h: Tensor, q: Tensor) -> Tensor | None:
    """[rows, length, heads]; learned ones as in vitrail-small/model.py. None where all heads are on."""
    if not shape.active_heads:
        return None
    shared_heads, active = shape.shared_heads, shape.active_heads - shape.shared_heads
    if shape.router == "query-norm":
        norms = q.float().norm(dim=-1).transpose(1, 2)
        norms[..., :shared_heads] = torch.inf
        return torch.zeros_like(norms).scatter(-1, norms.topk(shape.active_heads, dim=-1).indices, 1.0)
    stage, shared, routed = (F.linear(h, own[f"moh_{part}.weight"]).softmax(-1) for part in ("stage", "shared", "routed"))
    kept = torch.zeros_like(routed).scatter(-1, routed.topk(active, dim=-1).indices, 1.0) * routed
    kept = active * kept / kept.sum(-1, keepdim=True)
    stage = 2 * stage
    return torch.cat([stage[..., :1] * shared_heads * shared, stage[..., 1:] * kept], -1)


def reduced(q: Tensor, k: Tensor, v: Tensor, reduction: Reduction) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys in the basis, keys and values as a narrow cache keeps them."""
    basis, keep = reduction.keys.to(q.dtype).mT, reduction.keep_values
    q = q @ basis.repeat_interleave(q.shape[1] // k.shape[1], 0)
    k = k @ basis * reduction.keep_keys.to(q.dtype)
    # Weights of a softmax sum to one, so a head's output has the mean once.
    return q, k, v * keep.to(q.dtype) + (reduction.mean[:, None] * (1 - keep)).to(q.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, reduction: Reduction | None = None) -> Tensor:
    share = q.shape[1] // k.shape[1]
    if reduction is not None:
        q, k, v = reduced(q, k, v, reduction)
    k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def attend_one(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The newest token [rows, heads, 1, head_dim] over all so far."""
    grouped = q.reshape(len(q), k.shape[1], -1, q.shape[-1])
    return F.scaled_dot_product_attention(grouped, k, v).reshape(q.shape)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    cosine, sine = rotation.unbind(-1)
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2).to(x.dtype)

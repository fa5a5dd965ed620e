"""A Llama decoder with Mixture-of-Head attention in plain PyTorch, laid out as GGUF's `llama` architecture stores it.

RoPE rotates neighbouring pairs (2i, 2i+1) of a head, so q and k need no permutation on export.
Parameters carry the names of the GGUF tensors; matrices are [N, K] with K a multiple of 32.

Mixture-of-Head attention (arXiv 2410.11842, section 3): the first heads are always on; of the others each token takes the `routed_active`
that its router likes best. A head's output is multiplied with its gate before the output projection.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
from rounding import rounded_all  # noqa: E402


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int = 8192
    hidden_size: int = 512
    intermediate_size: int = 1408
    layers: int = 8
    heads: int = 8
    kv_heads: int = 2
    head_dim: int = 64
    context_length: int = 1024
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5
    moh: bool = True
    shared_heads: int = 4
    active_heads: int = 6

    @property
    def routed_heads(self) -> int:
        return self.heads - self.shared_heads

    @property
    def routed_active(self) -> int:
        return self.active_heads - self.shared_heads


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class Block(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        hidden, intermediate = config.hidden_size, config.intermediate_size
        query, key_value = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.attn_norm = RMSNorm(hidden, config.rms_norm_eps)
        self.attn_q = nn.Linear(hidden, query, bias=False)
        self.attn_k = nn.Linear(hidden, key_value, bias=False)
        self.attn_v = nn.Linear(hidden, key_value, bias=False)
        self.attn_output = nn.Linear(query, hidden, bias=False)
        self.ffn_norm = RMSNorm(hidden, config.rms_norm_eps)
        self.ffn_gate = nn.Linear(hidden, intermediate, bias=False)
        self.ffn_up = nn.Linear(hidden, intermediate, bias=False)
        self.ffn_down = nn.Linear(intermediate, hidden, bias=False)
        if config.moh:
            self.moh_stage = nn.Linear(hidden, 2, bias=False)
            self.moh_shared = nn.Linear(hidden, config.shared_heads, bias=False)
            self.moh_routed = nn.Linear(hidden, config.routed_heads, bias=False)

    def forward(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
        h = self.attn_norm(x)
        attended = self._attention(h, rotation)
        balance = x.new_zeros(())
        if self.config.moh:
            gates, balance = self.gates(h)
            attended = attended * gates.to(attended.dtype).unsqueeze(-1)
        x = x + self.attn_output(attended.flatten(2))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h)), balance

    def gates(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Gates [batch, length, heads] of the normalized input h [batch, length, hidden], and the loss that balances the router.

        Scaled so that a router without preferences gives every head that is on a gate of 1.
        """
        config = self.config
        with torch.autocast(h.device.type, enabled=False):
            # Halves would turn near choices around; double precision, for references, stays.
            h = h.to(torch.promote_types(h.dtype, torch.float32))
            stage, shared, routed = (
                (h @ router.weight.to(h.dtype).T).softmax(-1)
                for router in (self.moh_stage, self.moh_shared, self.moh_routed)
            )
            stage, shared = 2 * stage, config.shared_heads * shared
        best = routed.topk(config.routed_active, dim=-1).indices
        chosen = torch.zeros_like(routed).scatter(-1, best, 1.0)
        kept = routed * chosen
        kept = config.routed_active * kept / kept.sum(-1, keepdim=True)
        # Mean probability times share of choices, expert by expert (section 3.3; the scale of the published code).
        balance = (routed.mean((0, 1)) * chosen.mean((0, 1))).mean() * config.routed_heads**2
        return torch.cat([stage[..., :1] * shared, stage[..., 1:] * kept], -1), balance

    def _attention(self, h: Tensor, rotation: Tensor) -> Tensor:
        """Outputs of all heads: [batch, length, heads, head_dim]."""
        config = self.config
        q = rotate(_split_heads(self.attn_q(h), config.heads), rotation)
        k = rotate(_split_heads(self.attn_k(h), config.kv_heads), rotation)
        v = _split_heads(self.attn_v(h), config.kv_heads)
        share = config.heads // config.kv_heads
        k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.register_buffer("rotation", rope_table(config), persistent=False)
        self._initialize()

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids [batch, length] to logits [batch, length, vocab] and the routers' mean balance loss."""
        x, balance = self.hidden(tokens)
        return F.linear(x, self.token_embd.weight), balance

    def hidden(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized states [batch, length, hidden] before the head, which is the embedding."""
        x = self.token_embd(tokens)
        rotation = self.rotation[: tokens.shape[1]]
        balance = x.new_zeros(())
        for block in self.blk:
            x, own = block(x, rotation)
            balance = balance + own
        return self.output_norm(x), balance / len(self.blk)

    def _initialize(self) -> None:
        residual_writers = ("attn_output.weight", "ffn_down.weight")
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                shrink = math.sqrt(2 * self.config.layers) if name.endswith(residual_writers) else 1.0
                nn.init.normal_(parameter, std=0.02 / shrink)


def is_quantized(name: str, weight: Tensor) -> bool:
    """Matrices are stored in 4 bits; norms and routers are not."""
    return weight.ndim == 2 and "moh_" not in name


def rope_table(config: ModelConfig, dtype: torch.dtype = torch.float32, length: int | None = None) -> Tensor:
    """[length, head_dim / 2, 2]: cosine and sine of each position's angles; as long as the context unless said otherwise."""
    half = config.head_dim // 2
    frequencies = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(length or config.context_length, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).to(dtype)


def fake_quantize(matrices: list[Tensor]) -> list[Tensor]:
    """What each matrix becomes when it is stored as ggml's Q4_0 and read back (float32 in, float32 out)."""
    return rounded_all(matrices, "Q4_0")


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotates the pairs of x [batch, heads, length, head_dim] by rotation [length, head_dim / 2, 2]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cosine, sine = rotation.unbind(-1)
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2).to(x.dtype)

"""A Llama decoder in plain PyTorch, laid out as GGUF's `llama` architecture stores it.

RoPE rotates neighbouring pairs (2i, 2i+1) of a head, so q and k need no permutation on export.
Parameters carry the names of the GGUF tensors; matrices are [N, K] with K a multiple of 32.
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
    vocab_size: int = 2048
    hidden_size: int = 192
    intermediate_size: int = 576
    layers: int = 7
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    context_length: int = 512
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5


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

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        x = x + self._attention(self.attn_norm(x), rotation)
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))

    def _attention(self, h: Tensor, rotation: Tensor) -> Tensor:
        config = self.config
        q = _rotate(_split_heads(self.attn_q(h), config.heads), rotation)
        k = _rotate(_split_heads(self.attn_k(h), config.kv_heads), rotation)
        v = _split_heads(self.attn_v(h), config.kv_heads)
        share = config.heads // config.kv_heads
        k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_output(attended.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.register_buffer("rotation", rope_table(config), persistent=False)
        self._initialize()

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids [batch, length] to logits [batch, length, vocab]; the embedding is also the output matrix."""
        x = self.token_embd(tokens)
        rotation = self.rotation[: tokens.shape[1]]
        for block in self.blk:
            x = block(x, rotation)
        return F.linear(self.output_norm(x), self.token_embd.weight)

    def _initialize(self) -> None:
        residual_writers = ("attn_output.weight", "ffn_down.weight")
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                shrink = math.sqrt(2 * self.config.layers) if name.endswith(residual_writers) else 1.0
                nn.init.normal_(parameter, std=0.03 / shrink)


def rope_table(config: ModelConfig, dtype: torch.dtype = torch.float32) -> Tensor:
    """[context, head_dim / 2, 2]: cosine and sine of each position's angles."""
    half = config.head_dim // 2
    frequencies = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(config.context_length, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).to(dtype)


def fake_quantize(matrices: list[Tensor]) -> list[Tensor]:
    """What each matrix becomes when it is stored as ggml's Q4_0 and read back (float32 in, float32 out)."""
    return rounded_all(matrices, "Q4_0")


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotates the pairs of x [batch, heads, length, head_dim] by rotation [length, head_dim / 2, 2]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cosine, sine = rotation.unbind(-1)
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2).to(x.dtype)

"""The shapes of well-known models, for random weights."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """Field names are Hugging Face's. `rope_factor` and the two after it are Llama 3's RoPE scaling; 1 means none."""

    architecture: str
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    rope_theta: float
    norm_eps: float
    tied: bool
    context: int
    rope_factor: float = 1.0
    qkv_bias: bool = False

    def rope_frequencies(self) -> np.ndarray:
        """Radians per position of each pair, before Llama 3's scaling: [head_dim / 2]."""
        return self.rope_theta ** (-np.arange(0, self.head_dim, 2) / self.head_dim)

    def rope_divisors(self) -> np.ndarray:
        """By how much Llama 3's scaling divides each frequency (low 1, high 4, original context 8192): [head_dim / 2]."""
        turns = 8192 * self.rope_frequencies() / (2 * np.pi)
        smooth = np.clip((turns - 1.0) / (4.0 - 1.0), 0.0, 1.0)
        divisors = 1 / ((1 - smooth) / self.rope_factor + smooth)
        return divisors.astype(np.float32)


SHAPES = {
    "tiny": Shape("llama", 128, 256, 2, 4, 2, 32, 320, 10000.0, 1e-5, True, 512),
    "tiny-qwen": Shape("qwen2", 128, 256, 2, 4, 2, 32, 320, 10000.0, 1e-6, True, 512, qkv_bias=True),
    # SmolLM2-135M, Qwen2-0.5B, Llama-3.2-1B, Llama-3.1-8B.
    "smol135": Shape("llama", 576, 1536, 30, 9, 3, 64, 49152, 100000.0, 1e-5, True, 8192),
    "qwen05": Shape("qwen2", 896, 4864, 24, 14, 2, 64, 151936, 1000000.0, 1e-6, True, 32768, qkv_bias=True),
    "llama1b": Shape("llama", 2048, 8192, 16, 32, 8, 64, 128256, 500000.0, 1e-5, True, 131072, 32.0),
    "llama8b": Shape("llama", 4096, 14336, 32, 32, 8, 128, 128256, 500000.0, 1e-5, False, 131072, 8.0),
}

"""Multiplies the bases of values into the weights around them: rows of W_v become coefficients, columns of W_o take coefficients.

Values are not rotated, so at full width the model stays what it was; only rounding changes. Weights are rounded one column after the other, each
time moving what was lost to the columns that are still to come, as far as the layer's inputs let them make up for it (GPTQ, arXiv 2210.17323,
section 3.3). NumPy alone.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "vitrail-small/write"))
from gguf_arrays import read_gguf  # noqa: E402

BLOCK = 32
"""Weights that share a scale."""
DAMPING = 0.01
SCALES = np.linspace(0.75, 1.1, 15)
"""Scales of a block that are tried, relative to the one at which its largest weight is exact."""


class Llama:
    """A llama in NumPy, one window at a time, and what its attention's weights are multiplied with."""

    def __init__(self, path: Path) -> None:
        metadata, self.weights = read_gguf(path)
        self.layers, self.heads = metadata["llama.block_count"], metadata["llama.attention.head_count"]
        self.kv_heads = metadata["llama.attention.head_count_kv"]
        self.head_dim = metadata["llama.embedding_length"] // self.heads
        self.epsilon = metadata["llama.attention.layer_norm_rms_epsilon"]
        self.rope_base = metadata.get("llama.rope.freq_base", 10_000.0)
        self.shared = metadata.get("vitrail.moh.shared_heads", 0)
        self.active = metadata.get("vitrail.moh.active_heads", 0) - self.shared

    def inputs(self, tokens: np.ndarray) -> Iterator[tuple[int, str, np.ndarray]]:
        """(layer, "attn_v" or "attn_output", what is multiplied with these weights [tokens, columns])."""
        rotation = self._rotation(len(tokens))
        x = self.weights["token_embd.weight"][tokens.astype(np.int64)]
        for layer in range(self.layers):
            h = self._norm(x, f"blk.{layer}.attn_norm.weight")
            yield layer, "attn_v", h
            attended = self._attended(layer, h, rotation)
            yield layer, "attn_output", attended
            x = x + attended @ self.weight(layer, "attn_output").T
            h = self._norm(x, f"blk.{layer}.ffn_norm.weight")
            gate = h @ self.weight(layer, "ffn_gate").T
            inner = gate / (1 + np.exp(-gate)) * (h @ self.weight(layer, "ffn_up").T)
            x = x + inner @ self.weight(layer, "ffn_down").T

    def weight(self, layer: int, name: str) -> np.ndarray:
        return self.weights[f"blk.{layer}.{name}.weight"]

    def _attended(self, layer: int, h: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        q, k, v = (
            (h @ self.weight(layer, f"attn_{part}").T).reshape(len(h), -1, self.head_dim).transpose(1, 0, 2) for part in "qkv"
        )
        q, k = _rotate(q, rotation), _rotate(k, rotation)
        later = np.triu(np.full((len(h), len(h)), -np.inf, np.float32), 1)
        share = self.heads // self.kv_heads
        out = np.stack([_softmax(own @ k[i // share].T / self.head_dim**0.5 + later) @ v[i // share] for i, own in enumerate(q)], 1)
        if self.active > 0:
            out = out * self._gates(layer, h)[..., None]
        return out.reshape(len(h), -1)

    def _gates(self, layer: int, h: np.ndarray) -> np.ndarray:
        stage, shared, routed = (_softmax(h @ self.weight(layer, f"moh_{part}").T) for part in ("stage", "shared", "routed"))
        least = np.sort(routed, -1)[:, -self.active, None]
        kept = np.where(routed >= least, routed, 0)
        kept = self.active * kept / kept.sum(-1, keepdims=True)
        return np.concatenate([2 * stage[:, :1] * self.shared * shared, 2 * stage[:, 1:] * kept], -1)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.weights[name]

    def _rotation(self, length: int) -> np.ndarray:
        half = self.head_dim // 2
        angles = np.arange(length)[:, None] * self.rope_base ** (-np.arange(half) / half)
        return np.exp(1j * angles).astype(np.complex64)


def _rotate(x: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return (np.ascontiguousarray(x, np.float32).view(np.complex64) * rotation).view(np.float32)


def _softmax(x: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def folded(path: Path, values: np.ndarray, windows: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """W_v and W_o of every layer in the bases [layers, kv_heads, head_dim, head_dim], and second moments of what they are multiplied with."""
    model = Llama(path)
    moments: dict[tuple[int, str], np.ndarray | float] = {}
    for window in windows:
        for layer, name, x in model.inputs(window):
            x = _in_bases(x, values[layer], model) if name == "attn_output" else x
            moments[layer, name] = moments.get((layer, name), 0.0) + x.T.astype(np.float64) @ x
    weights = {}
    for layer, bases in enumerate(values):
        rows = model.weight(layer, "attn_v").reshape(model.kv_heads, model.head_dim, -1)
        v = (bases @ rows).reshape(-1, rows.shape[-1])
        output = _in_bases(model.weight(layer, "attn_output"), bases, model)
        for name, matrix in [("attn_v", v), ("attn_output", output)]:
            weights[f"blk.{layer}.{name}.weight"] = (matrix, moments[layer, name])
    return weights


def orthogonal(bases: np.ndarray) -> np.ndarray:
    """The nearest orthogonal ones to what half precision left: rounding must not change the model at full width."""
    left, _, right = np.linalg.svd(bases.astype(np.float64))
    return left @ right


def _in_bases(heads: np.ndarray, bases: np.ndarray, model: Llama) -> np.ndarray:
    """Rows of all heads side by side as coefficients of the bases of their KV heads."""
    own = heads.reshape(len(heads), model.kv_heads, -1, model.head_dim)
    return np.einsum("nkgd,kjd->nkgj", own, bases, optimize=True).reshape(len(heads), -1)


def q4_0(weights: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Q4_0 as GGUF stores it of `weights` [rows, columns], for inputs of this second moment [columns, columns]."""
    left, columns = weights.astype(np.float64), weights.shape[1]
    damped = moment + np.eye(columns) * DAMPING * np.diag(moment).mean()
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    blocks = []
    for start in range(0, columns, BLOCK):
        within = slice(start, start + BLOCK)
        scales = _scales(left[:, within], 1 / np.diag(upper)[within] ** 2)
        numbers = np.empty((len(left), BLOCK))
        for column in range(start, start + BLOCK):
            own = _nearest(left[:, column], scales)
            numbers[:, column - start] = own
            error = (left[:, column] - own * scales) / upper[column, column]
            left[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
        nibbles = (numbers + 8).astype(np.uint8)
        halves = scales.astype(np.float16)[:, None].view(np.uint8)
        blocks.append(np.concatenate([halves, nibbles[:, :16] | nibbles[:, 16:] << 4], 1))
    return np.concatenate(blocks, 1)


def _scales(block: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """Of each row, the scale that loses least."""
    largest = np.take_along_axis(block, np.abs(block).argmax(1)[:, None], 1)
    scales = (largest / -8 * SCALES).astype(np.float16).astype(np.float64)
    given, tried = block[:, None], scales[..., None]
    lost = ((_nearest(given, tried) * tried - given) ** 2 * importance).sum(-1)
    return np.take_along_axis(scales, lost.argmin(1)[:, None], 1)[:, 0]


def _nearest(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values / np.where(scale == 0, 1, scale)), -8, 7)

"""The weights of a shape, by the names of GGUF, with rows in Hugging Face's order."""

from dataclasses import dataclass

import numpy as np

from codes import Matrix, Pool
from shapes import Shape


@dataclass(frozen=True)
class Model:
    name: str
    shape: Shape
    pool: Pool
    matrices: dict[str, Matrix]
    vectors: dict[str, np.ndarray]


def random_model(name: str, shape: Shape, seed: int) -> Model:
    pool = Pool(seed)
    matrices: dict[str, Matrix] = {}
    vectors: dict[str, np.ndarray] = {}

    def matrix(tensor: str, rows: int, columns: int, gain: float) -> None:
        matrices[tensor] = pool.matrix(tensor, rows, columns, gain / np.sqrt(columns))

    hidden, middle = shape.hidden_size, shape.intermediate_size
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    # Embedding rows of a length like that of what the layers add: the answer hangs on more than the last token.
    matrix("token_embd", shape.vocab_size, hidden, 0.5 * np.sqrt(hidden) / 8)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        matrix(f"{block}attn_q", queries, hidden, 1.5)
        matrix(f"{block}attn_k", keys, hidden, 1.5)
        matrix(f"{block}attn_v", keys, hidden, 1.0)
        matrix(f"{block}attn_output", hidden, queries, 1.0)
        matrix(f"{block}ffn_gate", middle, hidden, 1.0)
        matrix(f"{block}ffn_up", middle, hidden, 1.0)
        matrix(f"{block}ffn_down", hidden, middle, 1.0)
        for norm in ("attn_norm", "ffn_norm"):
            vectors[f"{block}{norm}.weight"] = pool.vector(block + norm, hidden, 1.0, 0.1)
        if shape.qkv_bias:
            for kind, length in (("q", queries), ("k", keys), ("v", keys)):
                vectors[f"{block}attn_{kind}.bias"] = pool.vector(f"{block}{kind}.bias", length, 0.0, 0.3)
    vectors["output_norm.weight"] = pool.vector("output_norm", hidden, 1.0, 0.1)
    if not shape.tied:
        matrix("output", shape.vocab_size, hidden, 1.0)
    return Model(name, shape, pool, matrices, vectors)

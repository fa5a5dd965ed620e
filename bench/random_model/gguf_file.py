"""Writes a random model as GGUF version 3: matrices in Q4_0, vectors in F32, a byte vocabulary filled up to the model's size."""

import struct
from pathlib import Path

import numpy as np

from codes import BLOCK, Matrix, block_runs, repeat_from
from model import Model

ALIGNMENT = 32
F32, Q4_0 = 0, 2
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = [("h", "e"), ("i", "n")]


def string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def strings(values: list[str]) -> bytes:
    return struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(string(value) for value in values)


def integers(values: list[int]) -> bytes:
    return struct.pack("<IIQ", ARRAY, INT32, len(values)) + np.array(values, np.int32).tobytes()


def uint32(value: int) -> bytes:
    return struct.pack("<II", UINT32, value)


def float32(value: float) -> bytes:
    return struct.pack("<If", FLOAT32, value)


def text(value: str) -> bytes:
    return struct.pack("<I", STRING) + string(value)


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each byte."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def vocabulary(size: int) -> tuple[list[str], list[int]]:
    """
    The tokens and their kinds: 1 is ordinary, 3 is control. Bytes of longer characters have none, since a random answer would hold parts of
    characters: wllama throws on such text.
    """
    tokens = byte_alphabet() + SPECIAL + ["".join(pair) for pair in MERGES]
    kinds = [1] * 256 + [3] * len(SPECIAL) + [1] * len(MERGES)
    tokens[128:256] = [f"<no-ascii-{byte}>" for byte in range(128, 256)]
    fillers = [f"<filler-{i}>" for i in range(size - len(tokens))]
    return tokens + fillers, kinds + [1] * len(fillers)


def metadata(model: Model, context: int) -> dict[str, bytes]:
    shape = model.shape
    tokens, kinds = vocabulary(shape.vocab_size)
    hyper = {
        "context_length": uint32(context),
        "embedding_length": uint32(shape.hidden_size),
        "block_count": uint32(shape.layers),
        "feed_forward_length": uint32(shape.intermediate_size),
        "attention.head_count": uint32(shape.heads),
        "attention.head_count_kv": uint32(shape.kv_heads),
        "attention.layer_norm_rms_epsilon": float32(shape.norm_eps),
        "attention.key_length": uint32(shape.head_dim),
        "attention.value_length": uint32(shape.head_dim),
        "rope.dimension_count": uint32(shape.head_dim),
        "rope.freq_base": float32(shape.rope_theta),
        "vocab_size": uint32(shape.vocab_size),
    }
    return {
        "general.architecture": text(shape.architecture),
        "general.name": text(f"random {model.name}"),
        "general.file_type": uint32(2),
        **{f"{shape.architecture}.{key}": value for key, value in hyper.items()},
        "tokenizer.ggml.model": text("gpt2"),
        "tokenizer.ggml.pre": text("gpt-2"),
        "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.token_type": integers(kinds),
        "tokenizer.ggml.merges": strings([" ".join(pair) for pair in MERGES]),
        "tokenizer.ggml.bos_token_id": uint32(256),
        "tokenizer.ggml.eos_token_id": uint32(258),
        "tokenizer.ggml.add_bos_token": struct.pack("<IB", BOOL, 0),
    }


def rotation_rows(rows: int, heads: int) -> np.ndarray:
    """Llama files have the two halves of a RoPE pair side by side: row i of the file is row `[i]` of the model."""
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(-1)


def q4_0_runs(model: Model, name: str, matrix: Matrix):
    pool = model.pool.q4_0(matrix.exponent)
    heads = {"attn_q": model.shape.heads, "attn_k": model.shape.kv_heads}.get(name.split(".")[-1])
    if heads is None or model.shape.architecture != "llama":
        yield from block_runs(pool, matrix)
        return
    (blocks,) = repeat_from((pool,), matrix)
    rows = blocks.reshape(matrix.rows, -1)
    yield np.ascontiguousarray(rows[rotation_rows(matrix.rows, heads)])


def write_gguf(path: Path, model: Model, context: int) -> None:
    vectors = dict(model.vectors)
    if model.shape.rope_factor != 1:
        vectors["rope_freqs.weight"] = model.shape.rope_divisors()
    keys = metadata(model, context)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(model.matrices) + len(vectors), len(keys))
    head += b"".join(string(key) + value for key, value in keys.items())
    offset = 0
    for name, matrix in model.matrices.items():
        sizes = (matrix.columns, matrix.rows)
        head += string(f"{name}.weight") + struct.pack("<IQQIQ", 2, *sizes, Q4_0, offset)
        offset += aligned(matrix.blocks * (2 + BLOCK // 2))
    for name, vector in vectors.items():
        head += string(name) + struct.pack("<IQIQ", 1, len(vector), F32, offset)
        offset += aligned(vector.nbytes)
    with path.open("wb") as file:
        file.write(head.ljust(aligned(len(head)), b"\0"))
        for name, matrix in model.matrices.items():
            for run in q4_0_runs(model, name, matrix):
                file.write(run.data)
            pad(file)
        for vector in vectors.values():
            file.write(vector.data)
            pad(file)


def aligned(size: int) -> int:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def pad(file) -> None:
    file.write(bytes(aligned(file.tell()) - file.tell()))

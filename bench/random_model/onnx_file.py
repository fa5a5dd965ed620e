"""Writes a random model as an ONNX decoder for onnxruntime: `<name>.onnx` and its weights in `<name>.onnx.data`.

Each layer is MatMulNBits (4 bits, blocks of 32), GroupQueryAttention (with RoPE) and SkipSimplifiedLayerNormalization. Only the
last token goes through the last matrix. Inputs: input_ids [1, S], seqlens_k [1] (tokens before and of this run, less 1),
total_sequence_length [1], past_key.i and past_value.i [1, kv_heads, P, head_dim]. Outputs: logits [1, 1, vocab] in float32,
present_key.i and present_value.i.
"""

import struct
from pathlib import Path

import numpy as np

from codes import Matrix, block_runs, repeat_from
from model import Model

FLOAT, UINT8, INT32, INT64, FLOAT16 = 1, 2, 6, 7, 10
CONTRIB = "com.microsoft"
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.float16): FLOAT16, np.dtype(np.int64): INT64}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes | str) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(encoded)) + encoded


def attribute(name: str, value: int | float) -> bytes:
    if isinstance(value, float):
        return data(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    return data(1, name) + number(3, value) + number(20, 2)


def value_info(name: str, kind: int, dims: list[int | str]) -> bytes:
    shape = b"".join(data(1, number(1, d) if isinstance(d, int) else data(2, d)) for d in dims)
    return data(1, name) + data(2, data(1, number(1, kind) + data(2, shape)))


class Graph:
    """Nodes and initializers, with large ones written to a file beside."""

    def __init__(self, file, location: str):
        self.file = file
        self.location = location
        self.parts: list[bytes] = []
        self.known: set[str] = set()

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes) -> str:
        parts = [data(1, name) for name in inputs] + [data(2, name) for name in outputs]
        parts += [data(3, outputs[0]), data(4, op), data(7, domain)]
        parts += [data(5, attribute(name, value)) for name, value in attributes.items()]
        self.parts.append(data(1, b"".join(parts)))
        return outputs[0]

    def initializer(self, name: str, kind: int, dims: tuple[int, ...], runs) -> str:
        if name in self.known:
            return name
        self.known.add(name)
        self.file.write(bytes(-self.file.tell() % 4096))
        offset = self.file.tell()
        for run in runs:
            self.file.write(np.ascontiguousarray(run).data)
        place = {"location": self.location, "offset": offset, "length": self.file.tell() - offset}
        entries = b"".join(data(13, data(1, key) + data(2, str(value))) for key, value in place.items())
        header = b"".join(number(1, d) for d in dims) + number(2, kind) + data(8, name)
        self.parts.append(data(5, header + entries + number(14, 1)))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        if name not in self.known:
            self.known.add(name)
            header = b"".join(number(1, d) for d in value.shape) + number(2, TYPES[value.dtype])
            self.parts.append(data(5, header + data(8, name) + data(9, value.tobytes())))
        return name


class DecoderGraph:
    def __init__(self, graph: Graph, model: Model, dtype: type, accuracy_level: int):
        self.graph = graph
        self.model = model
        self.dtype = dtype
        self.kind = TYPES[np.dtype(dtype)]
        self.accuracy_level = accuracy_level

    def linear(self, source: str, names: list[str], out: str, biases: list[str] | None = None) -> str:
        """One MatMulNBits for the rows of all the named matrices."""
        graph, pool = self.graph, self.model.pool
        matrices = [self.model.matrices[name] for name in names]
        rows, columns = sum(m.rows for m in matrices), matrices[0].columns
        per_row = columns // 32
        nibbles = (run for m in matrices for run in block_runs(pool.adjacent_nibbles(), m))
        key = "+".join(names)
        weight = graph.initializer(f"{key}.codes", UINT8, (rows, per_row, 16), nibbles)
        scales = graph.initializer(f"{key}.scales", self.kind, (rows, per_row), (self.scales(m) for m in matrices))
        inputs = [source, weight, scales]
        if biases:
            bias = np.concatenate([self.model.vectors[name] for name in biases]).astype(self.dtype)
            inputs += ["", "", graph.constant(f"{key}.bias", bias)]
        sizes = dict(K=columns, N=rows, bits=4, block_size=32, accuracy_level=self.accuracy_level)
        return graph.node("MatMulNBits", inputs, [out], CONTRIB, **sizes)

    def scales(self, matrix: Matrix) -> np.ndarray:
        (scales,) = repeat_from((self.model.pool.scales,), matrix)
        return (scales * 2.0**matrix.exponent).astype(self.dtype)

    def norm_weight(self, name: str) -> str:
        return self.graph.constant(name, self.model.vectors[name].astype(self.dtype))

    def skip_norm(self, source: str, skip: str, norm: str, out: str) -> tuple[str, str]:
        """The sum of both, and its norm."""
        total = f"{out}.sum"
        inputs = [source, skip, self.norm_weight(norm)]
        eps = float(self.model.shape.norm_eps)
        self.graph.node("SkipSimplifiedLayerNormalization", inputs, [out, "", "", total], CONTRIB, epsilon=eps)
        return total, out

    def rope_tables(self, context: int) -> tuple[str, str]:
        shape = self.model.shape
        divisors = shape.rope_divisors() if shape.rope_factor != 1 else 1.0
        angles = np.outer(np.arange(context), shape.rope_frequencies() / divisors)
        size = (context, shape.head_dim // 2)
        cos = self.graph.initializer("cos_cache", self.kind, size, [np.cos(angles).astype(self.dtype)])
        sin = self.graph.initializer("sin_cache", self.kind, size, [np.sin(angles).astype(self.dtype)])
        return cos, sin

    def build(self, context: int) -> None:
        graph, shape = self.graph, self.model.shape
        tables = self.rope_tables(context)
        table = self.model.matrices["token_embd"]
        dense = self.model.pool.dense(table, self.dtype)
        embedding = graph.initializer("embedding", self.kind, dense.shape, [dense])
        residual = graph.node("Gather", [embedding, "input_ids"], ["hidden"])
        eps = float(shape.norm_eps)
        first = self.norm_weight("blk.0.attn_norm.weight")
        normed = graph.node("SimplifiedLayerNormalization", [residual, first], ["norm.0"], axis=-1, epsilon=eps, stash_type=1)
        for layer in range(shape.layers):
            residual, normed = self.layer(layer, residual, normed, tables)
        last = graph.node("Gather", [normed, graph.constant("last", np.array([-1], np.int64))], ["last_hidden"], axis=1)
        head = self.linear(last, ["token_embd" if shape.tied else "output"], "logits.raw")
        graph.node("Cast", [head], ["logits"], to=FLOAT)

    def layer(self, layer: int, residual: str, normed: str, tables: tuple[str, str]) -> tuple[str, str]:
        graph, shape, block = self.graph, self.model.shape, f"blk.{layer}."
        parts = ["q", "k", "v"]
        biases = [f"{block}attn_{part}.bias" for part in parts] if shape.qkv_bias else None
        qkv = self.linear(normed, [f"{block}attn_{part}" for part in parts], f"{block}qkv", biases)
        past = [f"past_key.{layer}", f"past_value.{layer}"]
        present = [f"present_key.{layer}", f"present_value.{layer}"]
        inputs = [qkv, "", "", *past, "seqlens_k", "total_sequence_length", *tables]
        heads = dict(num_heads=shape.heads, kv_num_heads=shape.kv_heads, do_rotary=1, rotary_interleaved=0)
        scale = shape.head_dim**-0.5
        attended = graph.node("GroupQueryAttention", inputs, [f"{block}attention", *present], CONTRIB, scale=scale, **heads)
        output = self.linear(attended, [f"{block}attn_output"], f"{block}output")
        residual, normed = self.skip_norm(residual, output, f"{block}ffn_norm.weight", f"{block}middle")
        gate = self.linear(normed, [f"{block}ffn_gate"], f"{block}gate")
        up = self.linear(normed, [f"{block}ffn_up"], f"{block}up")
        sigmoid = graph.node("Sigmoid", [gate], [f"{block}sigmoid"])
        activation = graph.node("Mul", [gate, sigmoid], [f"{block}activation"])
        product = graph.node("Mul", [activation, up], [f"{block}product"])
        down = self.linear(product, [f"{block}ffn_down"], f"{block}down")
        is_last = layer == shape.layers - 1
        norm = "output_norm.weight" if is_last else f"blk.{layer + 1}.attn_norm.weight"
        return self.skip_norm(residual, down, norm, f"norm.{layer + 1}")


def write_onnx(path: Path, model: Model, context: int, dtype: type, accuracy_level: int) -> None:
    shape, kind = model.shape, TYPES[np.dtype(dtype)]
    with path.with_name(path.name + ".data").open("wb") as file:
        graph = Graph(file, path.name + ".data")
        DecoderGraph(graph, model, dtype, accuracy_level).build(context)
    cache = [1, shape.kv_heads, "cached", shape.head_dim]
    inputs = [("input_ids", INT64, [1, "tokens"]), ("seqlens_k", INT32, [1]), ("total_sequence_length", INT32, [1])]
    outputs = [("logits", FLOAT, [1, 1, shape.vocab_size])]
    for layer in range(shape.layers):
        for part in ("key", "value"):
            inputs.append((f"past_{part}.{layer}", kind, cache))
            outputs.append((f"present_{part}.{layer}", kind, cache))
    body = b"".join(graph.parts) + data(2, model.name)
    body += b"".join(data(11, value_info(*each)) for each in inputs)
    body += b"".join(data(12, value_info(*each)) for each in outputs)
    opsets = data(8, data(1, "") + number(2, 21)) + data(8, data(1, CONTRIB) + number(2, 1))
    path.write_bytes(number(1, 10) + data(2, "vitrail") + opsets + data(7, body))

"""Makes the small models of e2e/fixtures/models: random weights, the answers of Hugging Face transformers in double precision.

    pip install torch transformers gguf numpy
    python scripts/make_fixtures.py

Each model is written as GGUF, the way llama.cpp's converter writes it (names, order of rows, norms), with a byte vocabulary. One is
also written as safetensors with its config.json and tokenizer.json. `<name>.logits.bin` holds float32 logits [tokens, vocabulary]
for the tokens in `models.json`.
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

OUT = Path(__file__).parent.parent / "e2e" / "fixtures" / "models"
TOKENS = 48
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unused>"]


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        if byte in printable:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return [letters[byte] for byte in range(256)]


VOCABULARY = byte_alphabet() + SPECIAL
COMMON = dict(
    vocab_size=len(VOCABULARY),
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=256,
    bos_token_id=256,
    eos_token_id=258,
    pad_token_id=256,
    attn_implementation="eager",
)
LLAMA3_SCALING = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
LONGROPE = dict(
    rope_type="longrope",
    long_factor=[1.0, 1.7, 3.1, 5.9, 8.2, 11.0, 14.5, 20.0],
    short_factor=[1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6],
)

MODELS = {
    "llama3": (
        LlamaForCausalLM,
        LlamaConfig(
            **{**COMMON, "num_attention_heads": 6, "hidden_size": 96, "num_hidden_layers": 1},
            num_key_value_heads=2,
            rope_theta=500000.0,
            rope_scaling=LLAMA3_SCALING,
            tie_word_embeddings=True,
        ),
    ),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config(**{**COMMON, "intermediate_size": 84}, num_key_value_heads=1, tie_word_embeddings=True),
    ),
    "qwen3": (
        Qwen3ForCausalLM,
        Qwen3Config(**COMMON, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False),
    ),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig(
            **COMMON,
            num_key_value_heads=1,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=16,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_theta=1000000.0,
            rope_local_base_freq=10000.0,
            tie_word_embeddings=True,
        ),
    ),
    "phi3": (
        Phi3ForCausalLM,
        Phi3Config(
            **{**COMMON, "hidden_size": 96, "num_attention_heads": 6, "num_hidden_layers": 1},
            num_key_value_heads=3,
            original_max_position_embeddings=32,
            rope_scaling=LONGROPE,
            tie_word_embeddings=True,
        ),
    ),
}


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights that make attention sharp and norms uneven: a mistake anywhere must show in the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if "norm" in name:
            is_offset = type(model).__name__.startswith("Gemma")
            values = values * 0.2 + (0.0 if is_offset else 1.0)
        elif parameter.dim() == 1:
            values = values * 0.5
        elif "embed" in name:
            values = values * 0.5
        else:
            values = values * 1.5 / parameter.shape[1] ** 0.5
        # Stored in single precision: the double-precision answer is that of the stored weights.
        parameter.data = values.to(torch.float32).to(torch.float64)


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q and k in the order that llama files have: pairs of RoPE side by side."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_tensors(name: str, model: torch.nn.Module, config) -> dict[str, np.ndarray]:
    renamed = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.qkv_proj": "attn_qkv",
        "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "post_attention_norm" if name == "gemma3" else "ffn_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.gate_up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    tensors = {}
    for key, parameter in model.named_parameters():
        value = parameter.detach().to(torch.float32).numpy()
        if name == "gemma3" and "norm" in key:
            value = value + np.float32(1)
        if name == "llama3" and "q_proj" in key:
            value = interleave(value, config.num_attention_heads)
        if name == "llama3" and "k_proj" in key:
            value = interleave(value, config.num_key_value_heads)
        if key == "model.embed_tokens.weight":
            tensors["token_embd.weight"] = value
        elif key == "model.norm.weight":
            tensors["output_norm.weight"] = value
        elif key == "lm_head.weight":
            if not config.tie_word_embeddings:
                tensors["output.weight"] = value
        else:
            _, _, layer, *rest = key.split(".")
            kind, suffix = ".".join(rest[:-1]), rest[-1]
            tensors[f"blk.{layer}.{renamed[kind]}.{suffix}"] = value
    if name == "llama3":
        tensors["rope_freqs.weight"] = llama3_factors(config)
    if name == "phi3":
        tensors["rope_factors_long.weight"] = np.array(LONGROPE["long_factor"], np.float32)
        tensors["rope_factors_short.weight"] = np.array(LONGROPE["short_factor"], np.float32)
    return tensors


def llama3_factors(config) -> np.ndarray:
    """What the converter stores: by how much each frequency is divided."""
    pairs = config.hidden_size // config.num_attention_heads
    frequencies = 500000.0 ** (-np.arange(0, pairs, 2) / pairs)
    scaling = LLAMA3_SCALING
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    smooth = (turns - low) / (high - low)
    blended = 1 / ((1 - smooth) / factor + smooth)
    return np.where(turns < low, factor, np.where(turns > high, 1.0, blended)).astype(np.float32)


def write_gguf(path: Path, name: str, model: torch.nn.Module, config) -> None:
    architecture = "llama" if name == "llama3" else name
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"vitrail fixture {name}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    bases = {"llama3": 500000.0, "gemma3": 1000000.0}
    writer.add_rope_freq_base(bases.get(name, 10000.0))
    if name == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        writer.add_uint32("gemma3.attention.sliding_window_pattern", 3)
    if name == "phi3":
        writer.add_uint32("phi3.rope.scaling.original_context_length", config.original_max_position_embeddings)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([1] * 256 + [3] * len(SPECIAL))
    writer.add_token_merges(["h e", "i n"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(258)
    for tensor, value in gguf_tensors(name, model, config).items():
        writer.add_tensor(tensor, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors(folder: Path, model: torch.nn.Module, config) -> None:
    folder.mkdir(exist_ok=True)
    tensors = {
        key: parameter.detach().to(torch.float32).contiguous()
        for key, parameter in model.named_parameters()
        if not (key == "lm_head.weight" and config.tie_word_embeddings)
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, default=str))
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            dict(id=256 + i, content=text, special=True, single_word=False, lstrip=False, rstrip=False, normalized=False)
            for i, text in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
        "post_processor": None,
        "decoder": dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
        "model": dict(type="BPE", vocab={token: i for i, token in enumerate(VOCABULARY[:256])}, merges=[]),
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))


def logits_of(model: torch.nn.Module, tokens: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].to(torch.float32).numpy()


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    entries = []
    for seed, (name, (kind, config)) in enumerate(MODELS.items()):
        model = kind(config).eval().to(torch.float64)
        randomize(model, seed)
        write_gguf(OUT / f"{name}.gguf", name, model, config)
        if name in ("qwen3", "gemma3"):
            write_safetensors(OUT / name, model, config)
        tokens = np.random.default_rng(seed).integers(0, 256, TOKENS).tolist()
        cases = [(name, tokens, 256)]
        if name == "phi3":
            # Within the original context the short factors hold, beyond it the long ones.
            cases.append((f"{name}-short", tokens[:24], 32))
        for case, part, context in cases:
            logits_of(model, part).tofile(OUT / f"{case}.logits.bin")
            entries.append(dict(name=case, file=f"{name}.gguf", tokens=part, contextLength=context))
    (OUT / "models.json").write_text(json.dumps(entries) + "\n")


if __name__ == "__main__":
    main()

"""Writes a checkpoint as a GGUF file in Q4_0 and checks it against the model that was trained.

    python export.py OUT/checkpoint.npz OUT/tokenizer.json vitrail-small.gguf

The check reads the file back, dequantizes it, and compares its logits with those of the fake-quantized checkpoint.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from model import Decoder, ModelConfig, fake_quantize, is_quantized

NAME = "Vitrail Small"
DESCRIPTION = "26.9 million weights with Mixture-of-Head attention: tells short stories and answers plain questions; knows little."
END_TOKEN, TURN_END = "<|endoftext|>", "<|im_end|>"
# The form that training saw; system messages were not part of it.
CHAT_TEMPLATE = (
    "{%- for message in messages if message.role in ['user', 'assistant'] -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
MAX_FILE_BYTES = 24_000_000
MAX_LOGIT_ERROR = 1e-3


def write_gguf(weights: dict[str, np.ndarray], tokenizer: dict, path: Path) -> None:
    config = ModelConfig()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("mit")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_architecture(writer, config)
    _add_tokenizer(writer, tokenizer, config)
    for name, array in weights.items():
        if not is_quantized(name, torch.from_numpy(array)):
            writer.add_tensor(name, array)
        else:
            packed = gguf.quantize(array, gguf.GGMLQuantizationType.Q4_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_gguf(path: Path) -> Decoder:
    """The model of an exported file with its weights dequantized to float32; what it has for narrow caches is left out."""
    tensors = gguf.GGUFReader(path).tensors
    weights = {
        tensor.name: torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        for tensor in tensors
        if not tensor.name.endswith(("_basis.weight", "_mean.weight"))
    }
    return decoder_of(weights)


def decoder_of(weights: dict[str, torch.Tensor]) -> Decoder:
    model = Decoder(ModelConfig())
    model.load_state_dict(weights)
    return model.eval()


def load_checkpoint(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "steps"}


def quantized_decoder(weights: dict[str, np.ndarray]) -> Decoder:
    """The model as it was in the last steps of training: matrices sent through Q4_0."""
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    matrices = [name for name, tensor in tensors.items() if is_quantized(name, tensor)]
    tensors.update(zip(matrices, fake_quantize([tensors[name] for name in matrices]), strict=True))
    return decoder_of(tensors)


@torch.no_grad()
def largest_logit_error(model: Decoder, other: Decoder) -> float:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(model.config.vocab_size, (2, model.config.context_length), generator=generator)
    return (model(tokens)[0] - other(tokens)[0]).abs().max().item()


def _add_architecture(writer: gguf.GGUFWriter, config: ModelConfig) -> None:
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_string("vitrail.moh.router", "learned")
    writer.add_uint32("vitrail.moh.shared_heads", config.shared_heads)
    writer.add_uint32("vitrail.moh.active_heads", config.active_heads)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict, config: ModelConfig) -> None:
    ids = tokenizer["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    if len(tokens) != config.vocab_size:
        raise ValueError(f"the tokenizer has {len(tokens)} tokens, the model {config.vocab_size}")
    special = {token["content"] for token in tokenizer["added_tokens"]}
    types = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(ids[END_TOKEN])
    writer.add_eos_token_id(ids[TURN_END])
    writer.add_eot_token_id(ids[END_TOKEN])
    # Training windows start anywhere in a text, so nothing stands before a prompt.
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    weights = load_checkpoint(arguments.checkpoint)
    write_gguf(weights, json.loads(arguments.tokenizer.read_text(encoding="utf-8")), arguments.out)

    size = arguments.out.stat().st_size
    error = largest_logit_error(load_gguf(arguments.out), quantized_decoder(weights))
    print(f"{arguments.out.name}: {size:,} bytes, largest logit error {error:.2g}")
    if size > MAX_FILE_BYTES or not error <= MAX_LOGIT_ERROR:
        raise SystemExit(f"expected at most {MAX_FILE_BYTES:,} bytes and an error of at most {MAX_LOGIT_ERROR}")


if __name__ == "__main__":
    main()

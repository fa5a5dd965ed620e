"""The byte-level BPE tokenizer of a GGUF file."""

from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

NORMAL_TOKEN = 1


def tokenizer_of(path: Path) -> Tokenizer:
    fields = GGUFReader(path).fields

    def texts(key: str) -> list[str]:
        field = fields[key]
        return [bytes(field.parts[index]).decode() for index in field.data]

    kinds = fields["tokenizer.ggml.token_type"]
    tokens = texts("tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in texts("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, index in zip(tokens, kinds.data, strict=True) if kinds.parts[index][0] != NORMAL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer

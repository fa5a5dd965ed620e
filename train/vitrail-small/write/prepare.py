"""SmolLM2's tokenizer as tokenizer.json, and questions to ask it.

    python prepare.py SmolLM2-135M-Instruct.gguf instructions.jsonl.xz OUT
"""

import argparse
import json
import lzma
import random
from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

NORMAL_TOKEN = 1
SEED = 7
SHORTEST, LONGEST = 12, 220
"""Characters of a question."""
UNWANTED = ("code", "python", "sql", "javascript")


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


def questions_of(path: Path) -> list[str]:
    questions = []
    for line in lzma.open(path, "rt", encoding="utf-8"):
        entry = json.loads(line)
        question = "\n".join(part.strip() for part in (entry["instruction"], entry.get("input", "")) if part.strip())
        is_prose = question.isascii() and not any(word in question.lower() for word in UNWANTED)
        if SHORTEST < len(question) < LONGEST and is_prose:
            questions.append(question)
    questions = list(dict.fromkeys(questions))
    random.Random(SEED).shuffle(questions)
    return questions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "instructions", "out"]:
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer_of(arguments.model).save(str(arguments.out / "tokenizer.json"))
    questions = questions_of(arguments.instructions)
    (arguments.out / "questions.json").write_text(json.dumps(questions))
    print(f"{len(questions):,} questions")


if __name__ == "__main__":
    main()

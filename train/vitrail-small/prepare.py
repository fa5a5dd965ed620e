"""Trains the tokenizer and encodes the texts.

    python prepare.py tokenizer DATA OUT            OUT/tokenizer.json, from books, dialogues and instructions
    python prepare.py encode DATA OUT               OUT/books.npz, OUT/turns.npz, OUT/retrieval.npz
    python prepare.py made OUT                      OUT/made.npz, chats and stories by rule
    python prepare.py written OUT FILE.jsonl.xz …   OUT/written.npz, what a larger model wrote

Needs no GPU. Each .npz holds `tokens` (uint16, every document followed by the end token), made.npz `facts` and `tales`; books.npz has
`validation` and `validation_bytes` too (UTF-8 bytes, the divisor of bits per byte), written.npz `validation`.
"""

import argparse
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import facts
import sources
import tales
from books import read_books, split
from model import ModelConfig

RETRIEVAL_CHARACTERS = 50_000_000
SEED = 3
FACTS, TALES = 120_000, 150_000
WRITTEN_VALIDATION_SHARE = 0.03
AT_ONCE = 4096


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Byte-level BPE with the pre-tokenizer that GGUF files name `smollm`: single digits, then GPT-2's pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=sources.SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> np.ndarray:
    end = tokenizer.token_to_id(sources.END_TOKEN)
    parts: list[np.ndarray] = []
    batch: list[str] = []

    def flush() -> None:
        for encoding in tokenizer.encode_batch_fast(batch):
            parts.append(np.array([*encoding.ids, end], dtype=np.uint16))
        batch.clear()

    for text in texts:
        batch.append(text)
        if len(batch) == AT_ONCE:
            flush()
    flush()
    return np.concatenate(parts)


def make_tokenizer(data: Path, out: Path) -> None:
    training, _ = split(read_books(data / "books.txt.xz"))
    texts = [section for book in training[::5] for section in book.sections]
    texts += [*sources.dialogues(data / "dialogues.jsonl.xz")][::3]
    texts += [*sources.instructions(data / "instructions.jsonl.xz")]
    train_tokenizer(texts, ModelConfig().vocab_size).save(str(out / "tokenizer.json"), pretty=False)


def encode_all(data: Path, out: Path) -> None:
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    training, validation = split(read_books(data / "books.txt.xz"))
    sections = [section for book in validation for section in book.sections]
    np.savez_compressed(
        out / "books.npz",
        tokens=encode(tokenizer, (section for book in training for section in book.sections)),
        validation=encode(tokenizer, sections),
        validation_bytes=sum(len(section.encode()) for section in sections),
    )
    turns = {
        name: encode(tokenizer, read(data / f"{name}.jsonl.xz"))
        for name, read in [("dialogues", sources.dialogues), ("instructions", sources.instructions)]
    }
    np.savez_compressed(out / "turns.npz", **turns)
    hidden = encode(tokenizer, sources.retrieval(training, RETRIEVAL_CHARACTERS, SEED))
    np.savez_compressed(out / "retrieval.npz", tokens=hidden)
    print({name: f"{len(ids):,}" for name, ids in [*turns.items(), ("retrieval", hidden)]})


def make(out: Path) -> None:
    tokenizer, rng = Tokenizer.from_file(str(out / "tokenizer.json")), random.Random(SEED)
    made = {
        "facts": encode(tokenizer, (sources.chat(facts.turns(rng)) for _ in range(FACTS))),
        "tales": encode(tokenizer, (sources.chat([*tales.story(rng)]) for _ in range(TALES))),
    }
    np.savez(out / "made.npz", **made)
    print({name: f"{len(ids):,}" for name, ids in made.items()})


def encode_written(out: Path, paths: list[Path]) -> None:
    tokens = encode(Tokenizer.from_file(str(out / "tokenizer.json")), sources.plain_answers(paths))
    split_at = int(len(tokens) * (1 - WRITTEN_VALIDATION_SHARE))
    partial = out / "written.partial.npz"
    np.savez(partial, tokens=tokens[:split_at], validation=tokens[split_at:])
    # Training may be waiting for it.
    partial.replace(out / "written.npz")
    print(f"written: {len(tokens):,} tokens")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tokenizer", "encode", "made", "written"])
    parser.add_argument("paths", type=Path, nargs="+")
    arguments = parser.parse_args()
    first, *rest = arguments.paths
    if arguments.what == "made":
        return make(first)
    if arguments.what == "written":
        return encode_written(first, rest)
    rest[0].mkdir(parents=True, exist_ok=True)
    {"tokenizer": make_tokenizer, "encode": encode_all}[arguments.what](first, rest[0])


if __name__ == "__main__":
    main()

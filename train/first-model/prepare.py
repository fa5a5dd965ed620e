"""Trains the tokenizer and encodes the books.

    python prepare.py books.txt.xz OUT      writes OUT/tokenizer.json and OUT/tokens.npz

Needs no GPU. tokens.npz holds `training` and `validation` (uint16 token ids, each section followed by the end token)
and `validation_bytes` (UTF-8 bytes of the validation text, the divisor of bits per byte).
"""

import argparse
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from books import Book, read_books, split
from model import ModelConfig

END_TOKEN = "<|endoftext|>"
SPECIAL_TOKENS = [END_TOKEN, "<|im_start|>", "<|im_end|>"]
TOKENIZER_BOOKS_STEP = 3


def train_tokenizer(books: list[Book], vocab_size: int) -> Tokenizer:
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
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sections = (section for book in books for section in book.sections)
    tokenizer.train_from_iterator(sections, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, books: list[Book]) -> np.ndarray:
    end = tokenizer.token_to_id(END_TOKEN)
    ids: list[np.ndarray] = []
    for book in books:
        for encoding in tokenizer.encode_batch_fast(book.sections):
            ids.append(np.array([*encoding.ids, end], dtype=np.uint16))
    return np.concatenate(ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    training_books, validation_books = split(read_books(arguments.books))
    tokenizer = train_tokenizer(training_books[::TOKENIZER_BOOKS_STEP], ModelConfig().vocab_size)
    tokenizer.save(str(arguments.out / "tokenizer.json"), pretty=False)

    training, validation = encode(tokenizer, training_books), encode(tokenizer, validation_books)
    validation_bytes = _utf8_bytes(validation_books)
    np.savez_compressed(
        arguments.out / "tokens.npz", training=training, validation=validation, validation_bytes=validation_bytes
    )
    for name, books, ids in [("training", training_books, training), ("validation", validation_books, validation)]:
        total = _utf8_bytes(books)
        print(f"{name}: {len(books)} books, {total:,} bytes, {len(ids):,} tokens, {total / len(ids):.3f} bytes a token")


def _utf8_bytes(books: list[Book]) -> int:
    return sum(len(section.encode()) for book in books for section in book.sections)


if __name__ == "__main__":
    main()

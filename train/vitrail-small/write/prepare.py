"""SmolLM2's tokenizer as tokenizer.json, and questions to ask it.

    python prepare.py SmolLM2-135M-Instruct.gguf instructions.jsonl.xz OUT
"""

import argparse
import json
import lzma
import random
from pathlib import Path

from gguf_tokenizer import tokenizer_of

SEED = 7
SHORTEST, LONGEST = 12, 220
"""Characters of a question."""
UNWANTED = ("code", "python", "sql", "javascript")


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

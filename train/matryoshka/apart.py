"""Fails where what train.py reads has something of what a model is judged by.

    python apart.py MODEL.gguf DATA.npz

DATA is from prepare.py. No run of RUN tokens of the four held-out books, of wikitext2-test or of a right ending of HellaSwag may be in it, and no question
that a user asks there may be of the form of one of the tests, whatever it asks for.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

SMALL = Path(__file__).resolve().parents[1] / "vitrail-small"
sys.path[1:1] = [str(SMALL), str(SMALL / "write")]
import asked  # noqa: E402
import facts  # noqa: E402
import sources  # noqa: E402
import tales  # noqa: E402
import visitors  # noqa: E402
from gguf_tokenizer import tokenizer_of  # noqa: E402

RUN = 16
"""Tokens: some 60 characters. Shorter ones come up anywhere, such as a question in a dialogue with its quotes and new lines."""
ROWS = 2048
FACTOR = np.uint64(0x9E3779B97F4A7C15)
QUESTION = re.compile(f"{re.escape(sources.START)}user\n(.*?){re.escape(sources.END)}", re.DOTALL)
ASIDE = re.compile(r"[^a-z0-9{} ]")


def runs(rows: np.ndarray) -> np.ndarray:
    """A number for each run of tokens of each row."""
    wide, found = rows.astype(np.uint64), np.uint64(0)
    for at in range(RUN):
        found = found * FACTOR + wide[:, at : wide.shape[1] - RUN + 1 + at] + np.uint64(1)
    return found


def judged_by(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs of each text that a model is measured on."""
    texts = {name: np.unique(runs(data[name])) for name in ("books", "wikitext2")}
    right = 4 * np.arange(len(data["hellaswag_right"])) + data["hellaswag_right"]
    ends = data["hellaswag_endings"][right, 1]
    found = runs(data["hellaswag"][right])
    return texts | {"hellaswag": np.unique(found[np.arange(found.shape[1]) <= ends[:, None] - RUN])}


def is_of_a_test(question: str) -> bool:
    """Or of the form of one, whatever it asks for."""
    plain = _plain(question)
    return plain in _known() or bool(_forms().fullmatch(plain))


@cache
def _known() -> set[str]:
    # What is said in second place has its sense from what was said before.
    alone = [visit.messages[0] for visit in visitors.visits() if len(visit.messages) == 1]
    return {_plain(text) for text in [*(story.request for story in [*tales.held_out(), *tales.choice()]), *alone, *facts.HELD_OUT_TALK]}


@cache
def _forms() -> re.Pattern[str]:
    found = [wording for relation in facts.RELATIONS.values() for wording in (relation.held_out, relation.choice, relation.fresh)]
    found += [getattr(asked, f"{test}_{kind}") for test in ("HELD_OUT", "CHOICE", "FRESH") for kind in ("HOW", "SUM", "COMPARED", "LIST")]
    return re.compile("|".join(re.sub(r"\{[a-z]\}", ".+", _plain(wording)) for wording in found))


def _plain(text: str) -> str:
    return ASIDE.sub("", text.lower()).strip()


def questions(tokenizer: Tokenizer, rows: np.ndarray) -> Iterator[str]:
    for start in range(0, len(rows), ROWS):
        for text in tokenizer.decode_batch(rows[start : start + ROWS].tolist(), skip_special_tokens=False):
            yield from map(_plain, QUESTION.findall(text))


def main() -> None:
    tokenizer, data = tokenizer_of(Path(sys.argv[1])), dict(np.load(sys.argv[2]))
    bad = 0
    for name, own in judged_by(data).items():
        shared = sum(
            int(np.isin(runs(data[source][start : start + ROWS]), own).sum()) for source in ("training", "known") for start in range(0, len(data[source]), ROWS)
        )
        print(f"{name}: {len(own):,} runs of {RUN} tokens, {shared} times in the text to tune on", flush=True)
        bad += shared
    said = set(questions(tokenizer, data["training"]))
    shared = [question for question in said if is_of_a_test(question)]
    print(f"{len(said):,} different questions, {len(shared)} of the tests: {shared[:3]}")
    if bad or shared:
        raise SystemExit("it has what models are judged by")


if __name__ == "__main__":
    main()

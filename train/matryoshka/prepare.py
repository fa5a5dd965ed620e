"""Encodes what train.py reads: text to tune on, and what the result is measured by.

    python prepare.py MODEL.gguf TEXT OUT.npz [--known N [--written FILE.jsonl.xz …] | --own FILE.jsonl.xz …]

TEXT is a folder with books.txt.xz, dialogues.jsonl.xz, instructions.jsonl.xz and eval/ of wikitext2-test.txt and
hellaswag_val_full.txt.bz2. Needs no GPU. All token ids are uint16:

training [n], with --known [rows, 1025] and beside it known [rows, 1025] of text of the kinds that the model knew before;
far [rows, 4097], windows with questions about what was said up to 4,000 tokens before, where the context has room for them;
books, wikitext2 [windows, 1025] with books_bytes, wikitext2_bytes of the tokens that are predicted;
pass_keys_L [trials, longest] with pass_keys_L_answers [trials, 2] (columns where the answer starts and ends);
prompts [n, longest] with prompt_lengths, of chats that the model answers itself and, with --own, of texts that it goes on with;
hellaswag [4 questions, longest] with hellaswag_endings [4 questions, 3] (start, end, bytes) and hellaswag_right [questions].
"""

import argparse
import bz2
import itertools
import json
import math
import multiprocessing
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from tokenizers import Tokenizer

SMALL = Path(__file__).resolve().parents[1] / "vitrail-small"
sys.path[1:1] = [str(SMALL), str(SMALL / "write")]
import facts  # noqa: E402
import sources  # noqa: E402
import tales  # noqa: E402
from apart import is_of_a_test  # noqa: E402
from books import Book, read_books, split  # noqa: E402
from gguf_tokenizer import tokenizer_of  # noqa: E402
from openings import Openings  # noqa: E402
from write import Prompts  # noqa: E402

SHARES = {"books": 0.45, "instructions": 0.25, "dialogues": 0.1, "retrieval": 0.2}
CHAT_SHARES = {"tales": 0.42, "facts": 0.51, "instructions": 0.04, "dialogues": 0.01, "answers": 0.02}
"""For a model that chats: what it is to say well is made by rule, and plenty of it."""
KNOWN_SHARES = {"books": 0.7, "retrieval": 0.16, "instructions": 0.06, "dialogues": 0.04, "explained": 0.04}
"""And what it is not to forget by that."""
AFTER_A_TALK, OFFERED, ANOTHER = 0.1, 0.05, 0.08
"""Of the stories: those that follow a talk, those that were offered in one, those with another one behind them."""
OWN_SHARES = {"books": 0.42, "instructions": 0.12, "dialogues": 0.07, "retrieval": 0.14, "written": 0.25}
"""Where the model wrote some of it itself."""
FAR, FAR_ROWS, FAR_CHARACTERS = 4096, 1024, 14_000
WINDOW, WINDOWS = 1024, 80
PROMPTS, LONGEST_PROMPT = 8192, 128
HELLASWAG_QUESTIONS = 4000
PASS_KEY_TRIALS = 40
FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
SEED = 9
AT_ONCE = 512
PART = 2_000_000
"""Tokens that are made at a time, of one source."""


class Documents:
    """Of every source, in random order."""

    def __init__(self, text: Path, books: list[Book], written: list[Path], is_chat: bool, seed: int) -> None:
        rng = random.Random(seed)
        prose = [section for book in books for section in book.sections]
        instructions = list(sources.instructions(text / "instructions.jsonl.xz"))
        dialogues = list(sources.dialogues(text / "dialogues.jsonl.xz"))
        chats = list((sources.plain_answers if is_chat else sources.written)(written))
        explained = list(sources.explained(written)) if is_chat else []
        for documents in (prose, instructions, dialogues, chats, explained):
            rng.shuffle(documents)
        # In a second order, too: there windows begin elsewhere.
        prose = prose + rng.sample(prose, len(prose)) if is_chat else prose
        self.books, self.seed = books, seed
        self.found = {"books": prose, "instructions": instructions, "dialogues": dialogues, "written": chats, "answers": chats, "explained": explained}

    def of(self, name: str, count: int, part: int = 0, parts: int = 1) -> Iterable[str]:
        """Those of one of so many parts of a source: of made ones, enough for so many tokens."""
        if name in self.found:
            return self.found[name][part::parts] if name != "books" else np.array_split(np.array(self.found[name], dtype=object), parts)[part].tolist()
        if name == "retrieval":
            return sources.retrieval(self.books, 5 * count, self.seed + part)
        rng = random.Random(f"{self.seed} {name} {part}")
        return (_apart(_tale if name == "tales" else facts.turns, rng) for _ in range(count))


def stream(tokenizer: Tokenizer, documents: Documents, shares: dict[str, float], count: int, end: int) -> np.ndarray:
    """So many tokens in these shares, each document followed by the end token."""
    chunks = [
        chunk
        for name, share in shares.items()
        for chunk in np.array_split(_first_tokens(tokenizer, documents.of(name, count), round(share * count), end), round(share * count / 4096))
    ]
    random.Random(SEED).shuffle(chunks)
    return np.concatenate(chunks)


def rows(tokenizer: Tokenizer, documents: Documents, shares: dict[str, float], count: int, end: int) -> np.ndarray:
    """The same as windows, which begin where a document does, so that a question is seen with all that it asks about; books go on from one to the next."""

    def of_part(name: str, wanted: int, part: int, parts: int) -> np.ndarray:
        own = _rows(_encoded(tokenizer, documents.of(name, wanted, part, parts), end), goes_on=name == "books")
        found = [np.array(row, dtype=np.uint16) for row in islice(own, round(wanted / WINDOW))]
        return np.array(found, dtype=np.uint16).reshape(-1, WINDOW + 1)

    jobs = []
    shares = {name: share for name, share in shares.items() if documents.found.get(name, True)}
    count = round(count / sum(shares.values()))
    for name, share in shares.items():
        parts = math.ceil(share * count / PART)
        jobs += [(name, round(share * count / parts), part, parts) for part in range(parts)]
    found = np.concatenate(_at_once(of_part, jobs))
    return found[np.random.default_rng(SEED).permutation(len(found))]


def _at_once(work: Callable[..., np.ndarray], jobs: list[tuple]) -> list[np.ndarray]:
    """What the work makes of each job, on all processors; forks share what it reads."""
    _WORK.append(work)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(_worked, jobs, chunksize=1)
    _WORK.pop()
    os.environ.pop("TOKENIZERS_PARALLELISM")
    return found


_WORK: list[Callable[..., np.ndarray]] = []


def _worked(job: tuple) -> np.ndarray:
    return _WORK[-1](*job)


def _rows(documents: Iterable[list[int]], goes_on: bool) -> Iterator[list[int]]:
    row: list[int] = []
    for own in documents:
        if not goes_on and len(own) > WINDOW + 1:
            continue
        row = row + own
        while len(row) > WINDOW:
            yield row[: WINDOW + 1]
            # What was cut comes again, whole.
            row = row[WINDOW:] if goes_on else own if len(row) > WINDOW + 1 else []


def _apart(made: Callable[[random.Random], list[str]], rng: random.Random) -> str:
    """A chat in which nothing is asked that is of a test."""
    while any(map(is_of_a_test, (turns := made(rng))[::2])):
        pass
    return sources.chat(turns)


def _tale(rng: random.Random) -> list[str]:
    if rng.random() < OFFERED:
        return [*tales.offered(rng)]
    before = facts.turns(rng)[:2] if rng.random() < AFTER_A_TALK else []
    told = tales.story(rng)
    told += tales.story(rng, is_another=True) if rng.random() < ANOTHER else ()
    return [*before, *told]


def _first_tokens(tokenizer: Tokenizer, texts: Iterable[str], count: int, end: int) -> np.ndarray:
    tokens = chain.from_iterable(_encoded(tokenizer, texts, end))
    return np.fromiter(islice(tokens, count), dtype=np.uint16)


def _encoded(tokenizer: Tokenizer, texts: Iterable[str], end: int) -> Iterator[list[int]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, AT_ONCE)):
        for encoding in tokenizer.encode_batch_fast(batch):
            yield [*encoding.ids, end]


def far(tokenizer: Tokenizer, books: list[Book], end: int) -> np.ndarray:
    """Windows that end with questions about lines far before them; what is left at the start is of a book."""
    rng = random.Random(SEED)
    rows: list[list[int]] = []
    while len(rows) < FAR_ROWS:
        asked = tokenizer.encode(sources.far_retrieval(rng, books, FAR_CHARACTERS)).ids
        before = tokenizer.encode(rng.choice(rng.choice(books).sections)[-4 * FAR :]).ids
        row = [*before, end, *asked, end][-(FAR + 1) :]
        if len(asked) < FAR and len(row) == FAR + 1:
            rows.append(row)
    return np.array(rows, dtype=np.uint16)


def prompts(tokenizer: Tokenizer, text: Path, openings: bool) -> tuple[np.ndarray, np.ndarray]:
    """Openings of chats, up to where the assistant begins: stories and questions, as those that Vitrail Small learned from; or of texts of any kind."""
    answer = f"{sources.START}assistant\n"
    words = json.loads((SMALL / "write/words.json").read_text(encoding="utf-8"))
    if openings:
        drawn = Openings(words, SEED)
        texts = (f"{sources.END_TOKEN}{drawn.next()}" for _ in range(PROMPTS))
        rows = [tokenizer.encode(opening).ids for opening in texts]
        return _padded(rows), np.array([len(row) for row in rows])
    documents = islice(sources.instructions(text / "instructions.jsonl.xz"), 4 * PROMPTS)
    questions = [document.split(f"{sources.END}\n")[0].removeprefix(f"{sources.START}user\n") for document in documents]
    asked = Prompts(questions, words, SEED)
    rows: list[list[int]] = []
    while len(rows) < PROMPTS:
        row = tokenizer.encode(sources.chat([asked.next()]) + answer).ids
        if len(row) <= LONGEST_PROMPT:
            rows.append(row)
    return _padded(rows), np.array([len(row) for row in rows])


def windows(tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, int]:
    """Whole windows from the start of a text, and the bytes of what they predict."""
    tokens = tokenizer.encode(text[: WINDOWS * WINDOW * 6]).ids
    rows = np.array([tokens[start : start + WINDOW + 1] for start in range(0, WINDOWS * WINDOW, WINDOW)], dtype=np.uint16)
    return rows, sum(len(tokenizer.decode(row[1:].tolist(), skip_special_tokens=False).encode()) for row in rows)


def pass_keys(tokenizer: Tokenizer, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Prompts of about so many tokens with their answers, in the published form."""
    rng = random.Random(5)
    rows, answers = [], []
    for _ in range(PASS_KEY_TRIALS):
        key = rng.randrange(10_000, 100_000)
        line = f"The pass key is {key}. Remember it. {key} is the pass key. "
        question = "\nWhat is the pass key? The pass key is"
        room = length - len(tokenizer.encode(line + question).ids) - 8
        repeats = max(1, room // len(tokenizer.encode(FILLER).ids))
        place = rng.randrange(repeats + 1)
        prompt = FILLER * place + line + FILLER * (repeats - place) + question
        whole = tokenizer.encode(f"{prompt} {key}").ids
        answers.append([len(tokenizer.encode(prompt).ids), len(whole)])
        rows.append(whole)
    return _padded(rows), np.array(answers)


def hellaswag(tokenizer: Tokenizer, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of six lines: context, right answer, four endings."""
    with bz2.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()[: 6 * HELLASWAG_QUESTIONS]
    rows, endings = [], []
    for start in range(0, len(lines), 6):
        context = lines[start]
        before = len(tokenizer.encode(context).ids)
        for ending in lines[start + 2 : start + 6]:
            rows.append(tokenizer.encode(f"{context} {ending}").ids)
            endings.append([before, len(rows[-1]), len(ending.encode())])
    return _padded(rows), np.array(endings), np.array([int(line) for line in lines[1::6]])


def _padded(rows: list[list[int]]) -> np.ndarray:
    """Padding follows what is asked for, so nothing attends to it."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.uint16)
    for own, row in zip(padded, rows, strict=True):
        own[: len(row)] = row
    return padded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "text", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--tokens", type=int, default=3_000_000, help="of text to tune on")
    parser.add_argument("--known", type=int, default=0, help="of text of the kinds that the model knew; then the text to tune on is chats")
    parser.add_argument("--seed", type=int, default=SEED, help="of what is drawn of books, and of rules")
    parser.add_argument("--written", type=Path, nargs="*", default=[], help="chats that the model learned from")
    parser.add_argument("--own", type=Path, nargs="*", default=[], help="chats that the model wrote itself")
    arguments = parser.parse_args()
    tokenizer, fields = tokenizer_of(arguments.model), GGUFReader(arguments.model).fields
    end, context = tokenizer.token_to_id(sources.END_TOKEN), fields["llama.context_length"].contents()
    text: Path = arguments.text
    training, validation = split(read_books(text / "books.txt.xz"))
    held_out = "\n\n".join(section for book in validation for section in book.sections)
    documents = Documents(text, training, [*arguments.written, *arguments.own], arguments.known > 0, arguments.seed)
    if arguments.known:
        made = {"training": (CHAT_SHARES, arguments.tokens), "known": (KNOWN_SHARES, arguments.known)}
        arrays = {name: rows(tokenizer, documents, shares, count, end) for name, (shares, count) in made.items()}
    else:
        arrays = {"training": stream(tokenizer, documents, OWN_SHARES if arguments.own else SHARES, arguments.tokens, end)}
    if context > FAR:
        arrays["far"] = far(tokenizer, training, end)
    arrays["books"], arrays["books_bytes"] = windows(tokenizer, held_out)
    arrays["wikitext2"], arrays["wikitext2_bytes"] = windows(tokenizer, (text / "eval/wikitext2-test.txt").read_text(encoding="utf-8"))
    for length in [512, 1000, 2000, 4000]:
        if length <= context:
            arrays[f"pass_keys_{length}"], arrays[f"pass_keys_{length}_answers"] = pass_keys(tokenizer, length)
    arrays["prompts"], arrays["prompt_lengths"] = prompts(tokenizer, text, bool(arguments.own))
    questions = hellaswag(tokenizer, text / "eval/hellaswag_val_full.txt.bz2")
    arrays |= zip(["hellaswag", "hellaswag_endings", "hellaswag_right"], questions, strict=True)
    np.savez(arguments.out, **arrays)
    print({name: getattr(array, "shape", array) for name, array in arrays.items()}, f"{arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

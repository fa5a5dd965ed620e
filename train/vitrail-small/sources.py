"""The texts that the model learns from, as documents of one source each."""

import json
import lzma
import random
import re
from collections.abc import Callable, Iterator
from multiprocessing import Pool
from pathlib import Path

from books import Book

END_TOKEN = "<|endoftext|>"
START, END = "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = [END_TOKEN, START, END]

LONGEST_ANSWER_CHARACTERS = 1500
LONGEST_WITH_KEY = 4300
"""Characters: a little more than a context of 1,024 tokens has room for."""
SHORTEST_WRITTEN_CHARACTERS = 30
SHORTEST_PLAIN_ANSWER, LONGEST_PLAIN_ANSWER, LONGEST_PLAIN_QUESTION = 40, 320, 120
PLAIN_QUESTION = re.compile(r"(what|why|how|who|where|explain|describe|in two sentences|can you (explain|describe))\b(?!.*(difference|story|poem|help))", re.IGNORECASE)
"""What it answers best; stories, poems and small talk come from rules."""
TOLD = re.compile(r"story|tale|poem|rhyme|song", re.IGNORECASE)
SHORTEST_EXPLANATION = 200
LEAST_VARIETY = 0.9
"""Distinct runs of four words, of all in a text: below this it goes in circles."""
UNWANTED = ("as an ai", "language model", "i can't assist", "i cannot", "i'm unable", "i don't have", "smollm", "hugging face", "i'm sorry, but")
FLOWERY = ("i'm sorry", "sure,", "of course", "realm", "tapestry", "testament", "depths of")
FILLER = [
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.",
    "One day follows the other, and nobody counts them.",
    "The road goes on, past the houses and the trees, and nothing happens for a while.",
]
FACT_FORMS = [
    ("The number of {a} is {b}", "What is the number of {a}? The number of {a} is {b}."),
    ("{a} has the {b}", "What does {a} have? {a} has the {b}."),
    ("The word for {a} is {b}", "What is the word for {a}? The word for {a} is {b}."),
    ("{a}: {b}", "{a}: {b}."),
]
NAMES = (
    "Anna Ben Clara David Ella Frank Grace Henry Ida Jack Kate Leo Mary Nick Olga Paul Rosa Sam Tina Victor Wanda Ada Bruno Celia "
    "Dora Emil Flora Gustav Hanna Ivan Jane Karl Lena Max Nora Otto Petra Ralph Sarah Tom Ursula Walter"
).split()
THINGS = (
    "apple bridge candle door engine feather garden hammer island jacket kettle ladder mirror needle orange pencil queen river saddle "
    "table umbrella violin window yacht anchor basket carpet drawer eagle flower guitar hotel ink jewel kitchen lantern mountain nest "
    "ocean piano rabbit ship tower village wagon clock letter market school"
).split()


def chat(turns: list[str], cut: bool = False) -> str:
    """Turns of user and assistant in the chat template's form; `cut`: the last one does not end there."""
    parts = [f"{START}{'assistant' if i % 2 else 'user'}\n{turn.strip()}{END}\n" for i, turn in enumerate(turns)]
    text = "".join(parts)
    return text.removesuffix(f"{END}\n") if cut else text


def dialogues(path: Path) -> Iterator[str]:
    for line in lzma.open(path, "rt", encoding="utf-8"):
        turns = json.loads(line)["turns"]
        yield chat(turns[: len(turns) // 2 * 2])


def instructions(path: Path) -> Iterator[str]:
    for line in lzma.open(path, "rt", encoding="utf-8"):
        entry = json.loads(line)
        question = "\n".join(part.strip() for part in (entry["instruction"], entry.get("input", "")) if part.strip())
        answer = entry["output"].strip()
        if not answer or not _is_prose(question + answer) or len(answer) > LONGEST_ANSWER_CHARACTERS:
            continue
        yield chat([question, answer])


def written(paths: list[Path]) -> Iterator[str]:
    """What a larger model wrote, {"before": turns, "prompt", "text", "cut"} a line, where it is worth learning from."""
    return _chosen(paths, _written)


def plain_answers(paths: list[Path]) -> Iterator[str]:
    """Of that only short whole answers to plain questions: its stories lose their thread, and so do its long answers."""
    return _chosen(paths, _plain_answer)


def explained(paths: list[Path]) -> Iterator[str]:
    """Only its answers, without the questions, where they explain: prose that is nearer to an encyclopedia than books are."""
    return _chosen(paths, _explanation)


def _chosen(paths: list[Path], choose: Callable[[str], str | None]) -> Iterator[str]:
    lines = [line for path in paths for line in lzma.open(path, "rt", encoding="utf-8")]
    with Pool() as pool:
        yield from filter(None, pool.imap(choose, lines, chunksize=512))


def _written(line: str) -> str | None:
    entry = json.loads(line)
    is_whole = not entry["cut"] or "story" in entry["prompt"].lower()
    if is_whole and _is_prose(entry["text"]) and _is_wanted(entry["text"], SHORTEST_WRITTEN_CHARACTERS, UNWANTED):
        return chat([*entry["before"], entry["prompt"], entry["text"]], cut=entry["cut"])
    return None


def _plain_answer(line: str) -> str | None:
    entry = json.loads(line)
    prompt, text = entry["prompt"], entry["text"]
    is_short = len(prompt) <= LONGEST_PLAIN_QUESTION and len(text) <= LONGEST_PLAIN_ANSWER and not entry["before"]
    if entry["cut"] or not is_short or not PLAIN_QUESTION.match(prompt) or not _is_prose(text):
        return None
    return chat([prompt, text]) if _is_wanted(text, SHORTEST_PLAIN_ANSWER, UNWANTED + FLOWERY) else None


def _explanation(line: str) -> str | None:
    entry = json.loads(line)
    text = entry["text"]
    is_plain = not entry["before"] and not entry["cut"] and not TOLD.search(entry["prompt"])
    return text if is_plain and _is_prose(text) and _is_wanted(text, SHORTEST_EXPLANATION, UNWANTED) else None


def retrieval(books: list[Book], characters: int, seed: int) -> Iterator[str]:
    """Prose with something hidden in it that a question at the end asks for; about so many characters in all."""
    rng = random.Random(seed)
    made = 0
    while made < characters:
        text = rng.choice([_pass_key, _pass_key, _facts, _facts, _copy])(rng, books)
        made += len(text)
        yield text


def far_retrieval(rng: random.Random, books: list[Book], characters: int) -> str:
    """A pass key and facts hidden in about so many characters, and all of them asked for at the end, in another order."""
    key = rng.randrange(10_000, 100_000)
    hidden = {f"\nThe pass key is {key}. Remember it. {key} is the pass key.\n": f"What is the pass key? The pass key is {key}."}
    for name in rng.sample(NAMES + THINGS, rng.randrange(6, 14)):
        form, question = rng.choice(FACT_FORMS)
        value = str(rng.randrange(100, 100_000)) if rng.random() < 0.6 else rng.choice(THINGS)
        hidden[form.format(a=name, b=value)] = question.format(a=name, b=value)
    asked = [*hidden.values()]
    rng.shuffle(asked)
    return _hide(rng, books, [*hidden], characters) + "\n" + "\n".join(asked)


def _is_prose(text: str) -> bool:
    return sum(ord(character) > 0x17F for character in text) <= 0.01 * len(text) and "```" not in text


def _is_wanted(text: str, shortest: int, unwanted: tuple[str, ...]) -> bool:
    words = text.lower().split()
    runs = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    is_varied = len(set(runs)) >= LEAST_VARIETY * len(runs)
    return is_varied and len(text) >= shortest and not any(word in text.lower() for word in unwanted)


def _passage(rng: random.Random, books: list[Book], characters: int) -> list[str]:
    """Sentences of about so many characters, from a book or of the usual filler."""
    if rng.random() < 0.35:
        filler = rng.choice(FILLER)
        return [filler] * max(1, characters // len(filler))
    section = rng.choice(rng.choice(books).sections)
    start = rng.randrange(max(1, len(section) - characters))
    return section[start : start + characters].replace("\n", " ").split(". ")


def _hide(rng: random.Random, books: list[Book], lines: list[str], characters: int) -> str:
    sentences = _passage(rng, books, characters)
    for line in lines:
        sentences.insert(rng.randrange(len(sentences) + 1), line.removesuffix("."))
    return ". ".join(sentences) + "."


def _pass_key(rng: random.Random, books: list[Book]) -> str:
    key = rng.randrange(10_000, 100_000)
    text = _hide(rng, books, [f"\nThe pass key is {key}. Remember it. {key} is the pass key.\n"], rng.randrange(100, LONGEST_WITH_KEY))
    return f"{text}\nWhat is the pass key? The pass key is {key}."


def _facts(rng: random.Random, books: list[Book]) -> str:
    """Several facts of one form; one or more of them are asked for."""
    count = rng.randrange(1, 12)
    form, question = rng.choice(FACT_FORMS)
    keys = rng.sample(NAMES if rng.random() < 0.6 else THINGS, count)
    pairs = [(key, str(rng.randrange(100, 100_000)) if rng.random() < 0.6 else rng.choice(THINGS)) for key in keys]
    lines = [form.format(a=a, b=b) for a, b in pairs]
    text = _hide(rng, books, lines, rng.randrange(100, 2800)) if rng.random() < 0.6 else ". ".join(lines) + "."
    asked = rng.sample(pairs, min(count, rng.randrange(1, 5)))
    if rng.random() < 0.4:
        # The same as a chat turn.
        answers = [question.format(a=a, b=b) for a, b in asked[:1]]
        ask, answer = answers[0].rsplit("? ", 1) if "? " in answers[0] else (f"What is {asked[0][0]}", answers[0])
        return chat([f"{text}\n{ask}?", answer])
    return text + "\n" + "\n".join(question.format(a=a, b=b) for a, b in asked)


def _copy(rng: random.Random, books: list[Book]) -> str:
    passage = ". ".join(_passage(rng, books, rng.randrange(60, 600)))
    between = ". ".join(_passage(rng, books, rng.randrange(20, 900)))
    return f"Remember this: {passage}\n\n{between}\n\nOnce more: {passage}"

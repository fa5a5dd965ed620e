"""Whether stories hang together, as far as rules can tell: what was asked for is in them, names are introduced and kept, nothing is said twice, they end."""

import re
from collections.abc import Sequence

from tales import Asked

NAME = re.compile(r"(?<![.!?:\"“”] )(?<!^)(?<![\"“\n])\b[A-Z][a-z]+\b")
"""A word with a capital letter within a sentence."""
SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"”]?")
NO_NAMES = set("I Mama Mister Africa India Norway Japan Egypt London Paris New York Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mondays Crack Whoosh Tap".split())
INTRODUCED = r"(named|called|name is|name was|I am|there was|lived|with|is|friend,|Yours,|and|met|On it was|Only|the|of|On the) {name}\b|\b{name}( was|,| the| is| and \w+ were| lived)"
"""How a name may come up for the first time."""
SHORTEST, LATE = 150, 0.5


def judged(asked: Asked, text: str, is_whole: bool) -> dict[str, bool]:
    words = text.lower()
    names = [name for name in NAME.findall(text) if name not in NO_NAMES]
    known = list(dict.fromkeys(names))
    sentences = [sentence.strip(" \n\"“”") for sentence in SENTENCE.findall(text)]
    long_ones = [sentence for sentence in sentences if len(sentence) > 12]
    late = text[int(len(text) * LATE) :]
    return {
        "ends by itself": is_whole,
        "is told, not cut short": len(text) >= SHORTEST,
        "has every hero asked for": all(hero in words for hero in asked.heroes),
        "has every name asked for": all(name in text for name in asked.names),
        "hero is there to the end": bool(known) and min(known, key=text.index) in late,
        "at most three names": 0 < len(known) <= 3,
        "names are introduced": all(_is_introduced(name, sentences) for name in known),
        "says nothing twice": len(set(long_ones)) == len(long_ones) and not _goes_in_circles(words),
    }


def _is_introduced(name: str, sentences: Sequence[str]) -> bool:
    first = next((sentence for sentence in sentences if re.search(rf"\b{name}\b", sentence)), "")
    return bool(re.search(INTRODUCED.format(name=name), first))


def _goes_in_circles(words: str) -> bool:
    parts = words.split()
    runs = list(zip(parts, parts[1:], parts[2:], parts[3:], parts[4:], parts[5:], strict=False))
    return len(set(runs)) < 0.97 * len(runs)


def rates(judgements: list[dict[str, bool]]) -> dict[str, float]:
    """Shares of all stories, and of those without any fault."""
    found = {name: sum(own[name] for own in judgements) / len(judgements) for name in judgements[0]}
    return found | {"all of it": sum(all(own.values()) for own in judgements) / len(judgements)}

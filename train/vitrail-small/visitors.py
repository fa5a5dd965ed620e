"""What a visitor may say, in words that are not of training, and what an answer must hold: `visitors.txt`, lines of `kind | message / message | wanted`.

Wanted is an expression that the last answer must match, or `#3 KIND`, so many of a kind of asked.LISTS, or `~hero,hero`, a story about these.
Ways to ask of training were written by somebody who had read the answers to the first half, and wrote both halves; the second half is the test.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asked

SHORTEST_STORY = 150
HALVES = ("first", "second")


@dataclass(frozen=True)
class Visit:
    kind: str
    messages: list[str]
    wanted: str

    def is_answered(self, text: str) -> bool:
        """Whether the last answer holds what it must."""
        if self.wanted.startswith("~"):
            return len(text) >= SHORTEST_STORY and all(hero in text.lower() for hero in self.wanted[1:].split(","))
        if self.wanted.startswith("#"):
            count, what = self.wanted[1:].split(" ", 1)
            return asked.is_list_of(text, asked.LISTS[what], int(count))
        return bool(re.search(self.wanted, text, re.IGNORECASE))


def visits(half: str | None = None) -> Iterator[Visit]:
    """All, or every second one from the first or the second on."""
    lines = (Path(__file__).parent / "visitors.txt").read_text(encoding="utf-8").splitlines()
    for line in lines if half is None else lines[HALVES.index(half) :: 2]:
        kind, messages, wanted = line.split(" | ")
        yield Visit(kind, messages.split(" / "), wanted)

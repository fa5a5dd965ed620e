"""Public-domain books as clean prose: reading, cleaning and the split into training and validation."""

import lzma
import re
from dataclasses import dataclass
from pathlib import Path

# Whole books that training never sees: four authors, four kinds of story.
VALIDATION_TITLES = frozenset(
    {
        "The Prisoner of Zenda",
        "The Turn of the Screw",
        "The First Men in the Moon",
        "The Warden",
    }
)

# Below this share of characters in long lines a book is verse, drama or hard-wrapped.
MIN_PROSE_SHARE = 0.6
LONG_LINE_CHARACTERS = 80
# What stands between two headings and is shorter than this is a motto, a dedication or a table of contents.
MIN_SECTION_CHARACTERS = 400
MAX_FOREIGN_SHARE = 0.01

_TITLE = re.compile(r"^# Title: (.+)$", re.MULTILINE)
_END_OF_FRONT_MATTER = re.compile(r"^-{5,}\s*$", re.MULTILINE)
_HEADING = re.compile(r"^\s*#+ .*$", re.MULTILINE)
_NOTE = re.compile(r"\{[^{}]*\}|\[[^\[\]]{0,300}\]")
_SPACES = re.compile(r"[ \t]+")
_BLANK_LINES = re.compile(r"\s*\n\s*\n\s*")
# One spelling for each sign, so that a small vocabulary spends no token on a second one.
_SIGNS = str.maketrans(
    {
        "\u201c": '"',
        "\u201d": '"',
        "\u2018": "'",
        "\u2019": "'",
        "\u2014": "--",
        "\u2013": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u200a": None,
        "\ufeff": None,
        # Emphasis marks of the plain-text edition.
        "_": None,
        "*": None,
    }
)


@dataclass(frozen=True)
class Book:
    title: str
    sections: list[str]


def read_books(path: Path) -> list[Book]:
    """The prose books of an .xz text file with a form feed between books, in file order."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        raw_books = file.read().split("\f")
    books = [_parse(raw) for raw in raw_books if raw.strip()]
    return [book for book in books if book.sections]


def split(books: list[Book]) -> tuple[list[Book], list[Book]]:
    """(training, validation); fails if a validation book is missing."""
    validation = [book for book in books if book.title in VALIDATION_TITLES]
    missing = VALIDATION_TITLES - {book.title for book in validation}
    if missing:
        raise ValueError(f"validation books are missing: {sorted(missing)}")
    return [book for book in books if book.title not in VALIDATION_TITLES], validation


def _parse(raw: str) -> Book:
    title = _TITLE.search(raw)
    front_matter = _END_OF_FRONT_MATTER.search(raw)
    if title is None or front_matter is None:
        raise ValueError(f"a book has no title or no end of its front matter: {raw[:80]!r}")
    body = raw[front_matter.end() :]
    if not _is_prose(body):
        return Book(title.group(1).strip(), [])
    sections = (_clean(section) for section in _HEADING.split(body))
    return Book(title.group(1).strip(), [section for section in sections if _is_wanted(section)])


def _is_prose(body: str) -> bool:
    lines = body.splitlines()
    long = sum(len(line) for line in lines if len(line) >= LONG_LINE_CHARACTERS)
    return long >= MIN_PROSE_SHARE * sum(len(line) for line in lines)


def _is_wanted(section: str) -> bool:
    foreign = sum(ord(character) > 0x17F for character in section)
    return len(section) >= MIN_SECTION_CHARACTERS and foreign <= MAX_FOREIGN_SHARE * len(section)


def _clean(section: str) -> str:
    text = _NOTE.sub("", section.translate(_SIGNS))
    text = _SPACES.sub(" ", text)
    return _BLANK_LINES.sub("\n\n", text).strip()

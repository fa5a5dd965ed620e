"""Small talk by rule: small_talk.txt, its words in thousands of combinations.

After lists of words, blocks of `= weight`, `? ways to ask` and `! answers`, wordings between ` / `. `(a|b)` draws one of these, `{food}` a word of a list, the
same in question and answer; `{Food}` begins with a capital, `{food2}` is another one.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

Turn = tuple[str, str]
GROUP = re.compile(r"\(([^()]*)\)")
SLOT = re.compile(r"\{(\w+?)(2?)\}")
OFFER = re.compile(r"(Shall|Would|Is) [^.!?]*(story|hear one|tell you one)[^.!?]*\?$")
ACCEPTED = [
    "(Yes|Yes, please|Yes please|Sure|Of course|Okay|Oh yes|Yeah|Please do|Gladly|Go on|Yes, do that|Why not|That would be nice|I would like that|With pleasure|Yes, I would love that|All right|Go ahead)(.|!|)",
    "(Yes|Yes, please|Sure|Okay), (tell me one|a story please|tell me a story|a short one|I want to hear it|I would like to hear one|go on)(.|!|)",
]
"""What says yes to the offer of a story."""


def worded(rng: random.Random, text: str) -> str:
    """Draws one of each `(a|b)`, inner ones first."""
    while GROUP.search(text):
        text = GROUP.sub(lambda group: rng.choice(group[1].split("|")), text)
    return text


def with_articles(text: str) -> str:
    """`a` before a vowel becomes `an`."""
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])(?!(?:uni|one|use|eu))", r"\1n ", text)


@dataclass(frozen=True)
class Talk:
    weight: float
    questions: list[str]
    answers: list[str]


def _parsed() -> tuple[dict[str, list[str]], list[Talk]]:
    head, *blocks = (Path(__file__).parent / "small_talk.txt").read_text(encoding="utf-8").split("\n= ")
    words = {name: own.split(", ") for name, own in (line.split(": ") for line in head.strip().splitlines())}
    talks = []
    for block in blocks:
        weight, questions, answers = block.strip().split("\n")
        talks.append(Talk(float(weight), questions.removeprefix("? ").split(" / "), answers.removeprefix("! ").split(" / ")))
    return words, talks


WORDS, TALKS = _parsed()
WEIGHTS = [talk.weight for talk in TALKS]


def talk(rng: random.Random) -> Turn:
    own = rng.choices(TALKS, WEIGHTS)[0]
    # By how much of it there is: most ways to ask are of the first wordings.
    question = rng.choices(own.questions, [1 + wording.count("|") for wording in own.questions])[0]
    drawn: dict[str, list[str]] = {}
    texts = (_filled(rng, worded(rng, text), drawn) for text in (question, rng.choice(own.answers)))
    return tuple(_upper(with_articles(text.replace(" 'm", "'m"))) for text in texts)


def _filled(rng: random.Random, text: str, drawn: dict[str, list[str]]) -> str:
    def word(slot: re.Match[str]) -> str:
        name, second = slot[1].lower(), bool(slot[2])
        pair = drawn.setdefault(name, rng.sample(WORDS[name], 2))
        return _upper(pair[second]) if slot[1][0].isupper() else pair[second]

    return SLOT.sub(word, text)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def accepted(rng: random.Random) -> tuple[str, str, str]:
    """A message, an answer that ends with the offer of a story, and a yes to it."""
    while not OFFER.search((turn := talk(rng))[1]):
        pass
    return *turn, worded(rng, rng.choice(ACCEPTED))


def casual(rng: random.Random, text: str) -> str:
    """As many people write: in small letters, without a stop or an apostrophe."""
    text = text.lower()
    text = text.rstrip("?.!") if rng.random() < 0.7 else text
    return text.replace("'", "") if rng.random() < 0.5 else text

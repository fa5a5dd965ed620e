"""First words of texts of any kind: a model goes on from them with what it takes for such a text."""

import random

FORMS = [
    "",
    "",
    "{Topic}\n\n{Topic} is",
    "How to {do}\n",
    "{Topic}",
    "How to {do}. ",
    "The history of {topic}",
    "# {Topic}\n\n",
    "Introduction to {topic}\n",
    "{name} was born in",
    "{name} is a",
    "A man is {doing}. He",
    "A woman is {doing} in front of a camera. She",
    "Two people are {doing}. They",
    "A {character} is seen standing in {place}. The",
    "A group of people are {doing} in {place}.",
    "In the year {year},",
    "In {year}, the first",
    "The {object} is a",
    "The city of",
    "{Place} is",
    "What is {topic}?",
    "Why is {topic} so important?\n",
    "Question: What is {topic}?\nAnswer:",
    "{number} tips for {doing}\n\n1.",
    "Once upon a time,",
    "Lesson {number}: {topic}\n",
    "Scientists have found that {topic}",
    "A new study about {topic}",
    "The team won the",
    "The film is",
    "The song was released in {year}",
    "The river",
    "The species is found in",
    "The battle began",
    "I have always loved {doing}.",
    "When I was a child, {topic}",
    "First, take the {object}",
    "Preheat the oven",
    "To begin, pick {food}",
    "You will need: {food},",
    "Review: {object}",
    "Chapter {number}\n\n",
    "According to {name},",
]


class Openings:
    def __init__(self, words: dict[str, list[str]], seed: int) -> None:
        self.words, self.rng = words, random.Random(seed)

    def next(self) -> str:
        draw = lambda kind: self.rng.choice(self.words[kind])  # noqa: E731
        topic, place, doing = draw("topic"), draw("place"), draw("activity")
        return self.rng.choice(FORMS).format(
            topic=topic,
            Topic=topic.capitalize(),
            place=place,
            Place=place.capitalize(),
            doing=doing,
            do=_imperative(doing),
            name=draw("name"),
            character=draw("character"),
            object=draw("object"),
            food=draw("food"),
            year=self.rng.randrange(1600, 2024),
            number=self.rng.randrange(2, 20),
        )


def _imperative(doing: str) -> str:
    """learn a language, of learning a language: near enough for an opening."""
    first, *rest = doing.split(" ")
    return " ".join([first.removesuffix("ing"), *rest])

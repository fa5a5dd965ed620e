"""Short stories made by rule: the plots of plots.txt with heroes, friends, places and things drawn anew, every sentence in several wordings.

A story uses what its request names. Some heroes, names and ways to ask are kept for the test: `held_out` asks with them, and `choice`.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import small_talk
from small_talk import with_articles


@dataclass(frozen=True)
class Plot:
    friend: str
    """`met` on the way, known from the beginning as one of a `pair`, or none: `solo`."""
    abouts: list[str]
    """What a request may say after its hero."""
    sentences: list[list[str]]
    """Each with its wordings."""

    def uses(self, slot: str) -> bool:
        return any(slot in wording for wordings in self.sentences for wording in wordings)

    def always_uses(self, slot: str) -> bool:
        return any(all(slot in wording for wording in wordings) for wordings in self.sentences)


MEET = (
    "Just then a {o} named {f} came along. | On the way {he} met a {o} called {f}. | By the path sat a {o} named {f}. | A {o} named {f} saw it and came closer. | "
    "Then {n} met a {o}. \"I am {f},\" said the {o}. | There was a {o} under a tree. \"Hello, I am {f},\" said the {o}. | After a while a {o} named {f} came by. | "
    "Suddenly a {o} stood there. \"My name is {f},\" said the {o}. | Not far away lived a {o} named {f}, and {n} went there."
)
WHY = (
    "\"What is wrong?\" asked {f}. | \"Why are you so sad?\" asked {f}. | \"Can I help you?\" asked {f}. | \"You look sad,\" said {f}. \"What is the matter?\" | \"What are you looking for?\" asked {f}."
)


def _plots() -> list[Plot]:
    text = (Path(__file__).parent / "plots.txt").read_text(encoding="utf-8").replace("@meet", MEET).replace("@why", WHY)
    plots = []
    for block in text.split("= ")[1:]:
        friend, abouts, *sentences = block.strip().split("\n")
        plots.append(Plot(friend, abouts.removeprefix("? ").split(" | "), [line.split(" | ") for line in sentences]))
    return plots


PLOTS = _plots()


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


ANIMALS = _list(
    "fox, rabbit, bear, mouse, cat, dog, owl, turtle, hedgehog, squirrel, duck, frog, wolf, crow, penguin, elephant, bee, snail, horse, lamb, goat, badger, otter, deer, sparrow, kitten, puppy, "
    "lion, monkey, pig, goose, beaver, mole, tiger, giraffe, zebra, hippo, rhino, crocodile, snake, spider, ant, butterfly, ladybird, caterpillar, dragonfly, firefly, cricket, grasshopper, worm, bat, rat, "
    "raccoon, skunk, polar bear, koala, sloth, gorilla, leopard, cheetah, donkey, cow, calf, sheep, hen, rooster, chick, swan, stork, eagle, hawk, raven, robin, swallow, magpie, peacock, pelican, "
    "seagull, puffin, seal, reindeer, elk, lynx, weasel, marten, chipmunk, guinea pig, gecko, toad, newt, salamander, wasp, fly, moth, pony, foal, duckling, gosling, piglet, cub, fawn, "
    "llama, alpaca, buffalo, bull, ox, ostrich, turkey, pigeon, dove, woodpecker, cuckoo, nightingale, kingfisher, armadillo, anteater, meerkat, porcupine, wombat, lemur, chameleon, iguana, "
    "centipede, slug, flea, starling, sparrow hawk, field mouse, wild boar, black cat, white rabbit, red fox, grey wolf, baby elephant, bear cub, baby owl, old dog, field hare, hare, house mouse, snow leopard, fire salamander"
)
SWIMMERS = _list("whale, dolphin, fish, octopus, crab, seahorse, jellyfish, shark, starfish, goldfish, salmon, sea turtle, clownfish, lobster, eel, squid")
PEOPLE = _list(
    "baker, sailor, farmer, shepherd, painter, pirate, gardener, fisherman, tailor, clockmaker, lighthouse keeper, king, queen, prince, princess, knight, cook, postman, teacher, doctor, nurse, "
    "miller, shoemaker, blacksmith, musician, singer, dancer, clown, juggler, fireman, policeman, captain, train driver, bus driver, taxi driver, pilot, builder, mechanic, inventor, scientist, explorer, hunter, "
    "woodcutter, weaver, potter, glassblower, toymaker, candle maker, chimney sweep, beekeeper, piper, drummer, violinist, poet, writer, actor, magician, detective, spy, thief, beggar, merchant, "
    "miner, diver, cowboy, ninja, samurai, soldier, guard, servant, maid, grandmother, grandfather, old woman, old man, boy, girl, child, student, dentist, vet, hairdresser, butcher, "
    "ice cream seller, flower seller, bookseller, street sweeper, window cleaner, night watchman, ferryman, mountain climber, swimmer, runner, goalkeeper, football player, chess player, photographer, waiter, innkeeper, zookeeper, kite maker, "
    "piano tuner, bell ringer, hat maker, umbrella maker, puppet player, boatman, weatherman, programmer, nanny, uncle, aunt, twin, baby"
)
CREATURES = _list(
    "dragon, robot, giant, wizard, witch, ghost, fairy, elf, dwarf, goblin, troll, monster, unicorn, genie, gnome, alien, phoenix, yeti, sea monster, dinosaur, baby dragon, tooth fairy, snowman, angel, "
    "sandman, water sprite, ogre, griffin, werewolf, skeleton, mummy, zombie, pumpkin man, talking tree, moon rabbit, little devil, forest spirit, house ghost, cleaning robot, space robot, kitchen robot, toy robot, stone giant, ice queen, snow queen"
)
THINGS = _list(
    "teddy bear, doll, toy train, tin soldier, umbrella, kettle, candle, pencil, cloud, star, snowdrop, sunflower, rose, daisy, apple tree, oak tree, pine tree, leaf, raindrop, pebble, stone, boat, tractor, train, bus, "
    "fire engine, bicycle, balloon, kite, lamp, clock, chair, old chair, shoe, sock, button, spoon, cup, pumpkin, potato, carrot, mushroom, acorn, apple, pear, lemon, pancake, cookie, wheel, bell, drum, piano, "
    "trumpet, violin, letter, book, pillow, blanket, broom, bucket, lighthouse, windmill, bridge, rocket, tugboat, little house, car, key, mirror, paper boat, wooden horse, rubber duck, moon, sunbeam, shadow, wave"
)
NOUNS = (Path(__file__).parent / "nouns.txt").read_text(encoding="utf-8").split()
"""Of the books: what stands behind an article there often."""
HEROES = [(ANIMALS, 0.27), (SWIMMERS, 0.04), (PEOPLE, 0.17), (CREATURES, 0.1), (THINGS, 0.09), (NOUNS, 0.21)]
"""The rest has heroes that nobody knows, of letters drawn anew. With the nouns they teach that whatever is asked for is told about."""
KNOWN = {*ANIMALS, *SWIMMERS, *PEOPLE, *CREATURES, *THINGS}
"""Others come up where they are asked for, and nowhere else."""
HELD_OUT_HEROES = _list(
    "walrus, astronaut, kangaroo, flamingo, scarecrow, moose, pianist, parrot, teapot, mermaid, lizard, plumber, camel, beetle, snowflake, librarian, panda, carpenter, vampire, hamster, tortoise, tuba, cactus, jaguar"
)
WOMEN = {
    "queen", "princess", "witch", "fairy", "tooth fairy", "ice queen", "snow queen", "nurse", "maid", "grandmother", "old woman", "girl", "cow", "hen", "doll", "nanny", "aunt", "mermaid",
}
MEN = {
    "king", "prince", "wizard", "giant", "stone giant", "fisherman", "postman", "fireman", "policeman", "ferryman", "boatman", "weatherman", "night watchman", "cowboy", "grandfather", "old man", "boy", "rooster",
    "snowman", "sandman", "pumpkin man", "uncle", "bull", "ox", "tin soldier",
}
NAMES = {
    "he": _list(
        "Tom, Leo, Sam, Ben, Max, Oscar, Hugo, Paul, Finn, Jack, Omar, Carlos, Peter, Noah, Otto, Milo, Felix, Theo, Bruno, Emil, Jonas, Nico, Toby, Rufus, Benny, Henry, Oliver, Charlie, George, Arthur, "
        "Freddy, Jasper, Louis, Albert, Victor, Walter, Simon, Martin, Lucas, Daniel, David, Adam, Eric, Frank, Gus, Harry, Ivan, Jim, Karl, Lars, Mark, Ned, Owen, Pablo, Ravi, Stefan, Tim, Will, Ali, Kenji, "
        "Diego, Mateo, Nils, Rocco, Sven, Ted, Barnaby, Casper, Dexter, Ernie, Fergus, Gilbert, Hector, Igor, Monty, Norman, Percy, Rusty, Stanley, Winston, Bobo, Bolt, Biscuit, Pepper, Whiskers, Hopper"
    ),
    "she": _list(
        "Anna, Mia, Lucy, Nora, Ella, Ruth, Clara, Ivy, Rosa, Alice, Lina, Yuki, Priya, Amina, Sofia, Emma, Bella, Tilda, Greta, Wilma, Ada, Dora, Flora, Hanna, Kiki, Luna, Olga, Zoe, Hazel, Poppy, "
        "Lily, Daisy, Molly, Sarah, Grace, Ruby, Stella, Eva, Julia, Maria, Laura, Lisa, Martha, Nina, Paula, Rita, Susan, Tina, Vera, Wendy, Betty, Carla, Diana, Elsa, Fiona, Gina, Helen, Ida, Jenny, Kate, "
        "Leila, Mina, Nadia, Olive, Penny, Queenie, Sally, Trudy, Violet, Willow, Aisha, Chloe, Freya, Ines, Juno, Lotte, Maya, Pearl, Rosie, Tess, Honey, Pebble, Pippa, Dotty, Misty, Sunny"
    ),
}
HELD_OUT_NAMES = {"he": _list("Ferdinand, Boris, Quentin, Wendel, Ramon, Archie"), "she": _list("Matilda, Zelda, Marigold, Ophelia, Tamsin, Beatrix")}
SYLLABLES = (
    ["", "", "", *_list("b, d, f, g, h, j, k, l, m, n, p, r, s, t, v, w, z, br, cl, dr, fl, gr, kr, pr, qu, sh, st, th, tr, wh")],
    _list("a, e, i, o, u, al, an, ar, el, en, er, il, im, in, ol, om, on, or, ul, um, ed, ig, ub, en, ack, ell, ill, oll, unn, ai, ee, ie, oo"),
    _list("b, d, f, g, k, l, m, n, p, r, s, t, v, z, dr, ph, gw, ch"),
    {"he": _list("o, us, in, ert, ick, ard, an, or, is, win, bo, io, on, el"), "she": _list("a, ia, ina, ette, elle, ana, ie, is, ora, inda, y, ella, ara, ith")},
)
"""Beginnings, middles, what joins them, and ends."""

ADJECTIVES = {
    "person": _list("young, old, kind, curious, shy, clever, cheerful, quiet, lonely, gentle, brave, poor, friendly, tired, funny, busy, happy, sad, patient, famous, forgetful, lazy, honest, tall, small"),
    "other": _list(
        "little, young, small, tiny, brave, kind, curious, shy, clever, cheerful, quiet, lonely, gentle, big, old, friendly, funny, sleepy, happy, sad, hungry, lazy, silly, wild, proud, grumpy, fat, "
        "white, black, brown, red, blue, green, yellow, grey, pink"
    ),
}
PLACES = _list(
    "in green forest, in small village, in old castle, in big city, in garden, on farm, in little town, in quiet valley, in meadow, on island, in jungle, in desert, by wide river, by blue lake, by sea, near old mill, "
    "on high mountain, on hill, in harbour, in park, in old house, in cave, in snowy land, at edge of wood, behind railway station, in small street, in tall tower, in toy shop, in bakery, in school, in library, "
    "in kingdom, in faraway land, on beach, in swamp, under old bridge, in barn, in zoo, in museum, in hospital, in market town, in fishing village, by waterfall, in orchard, in bamboo forest, in palace, on ship, in attic, "
    "on moon, on small planet, in Paris, in London, in Africa, in India, in Norway, in Japan, in Egypt, in New York"
)
SEAS = _list("in blue sea, in deep lake, in quiet bay, in warm sea, in wide river, in pond, in coral reef, in cold sea")
OBJECTS = _list(
    "key, lantern, map, book, ring, bell, letter, kite, umbrella, coin, hat, toy boat, feather, flute, candle, ball, drum, necklace, shell, blanket, basket, scarf, music box, lamp, glass star, bag of marbles, pot, "
    "golden button, spoon, mirror, compass, watch, clock, pen, box, bottle, doll, teddy bear, whistle, trumpet, violin, crown, cup, plate, vase, picture, jacket, glove, boot, sock, cap, belt, ribbon, mask, "
    "toy car, toy train, spinning top, puzzle, balloon, jar, hammer, rope, brush, comb, pillow, stone, pearl, crystal, bracelet, backpack, wallet, pair of glasses, telescope, magnet, candlestick, teapot, spade, "
    "wooden horse, paper plane, pocket knife, flag, wheel, bicycle, sledge, swing, cushion, quilt, harp, guitar, notebook, postcard, photo, magnifying glass, snow globe, silver spoon, fishing rod, torch, wooden sword, tambourine"
)
OBJECT_ADJECTIVES = _list("red, blue, green, yellow, golden, silver, old, new, little, big, shiny, wooden, round, beautiful, strange, broken, tiny, striped, magic")
FOODS = _list(
    "bread, soup, honey cake, apple pie, pancakes, cookies, cheese, berries, nuts, pears, porridge, cherries, plums, strawberries, noodles, rice, beans, potatoes, carrots, blueberries, muffins, jam, waffles, "
    "chocolate, popcorn, grapes, oranges, bananas, peaches, sandwiches, pizza, dumplings, biscuits, cake, salad, apples, raisins, buns, pudding, corn"
)
SKILLS = _list(
    "swim, sing, dance, climb trees, bake bread, play the flute, whistle, paint, skate, tell stories, ride a bicycle, fly a kite, read, write, count, juggle, draw, cook, sew, knit, jump high, run fast, ski, "
    "play the piano, play the drum, play the violin, play chess, play football, make pancakes, build boats, sail, dive, do magic, walk on a rope, stand on one leg, do a somersault, catch a ball, make people laugh, "
    "speak another language, row a boat, drive a car, fly, throw far, skip, make snowmen, say no, fish, tie knots, tap dance, surf, ride a horse, play the guitar, play the trumpet, roller-skate, whisper, bake cakes, mend shoes, grow roses"
)
FEARS = _list(
    "the dark, thunder, deep water, high places, strange noises, being alone, big dogs, the night, spiders, storms, the forest, lightning, mice, flying, the cellar, heights, loud voices, the wind, fire, bees, the sea, snow, cats, ghosts"
)
WEATHERS = _list("sunny, windy, rainy, cold, warm, foggy, bright, snowy, hot, grey, clear, fine")
WORDS = {
    "dish": _list("apple pie, cake, pizza, cheese, bread, honey cake, pudding, cherry pie, soup, jam, chocolate cake, omelette, plum cake, porridge"),
    "game": _list("hide and seek, ball, catch, pirates, cards, football, chess, tag, school, hopscotch"),
    "plant": _list("sunflower, rose, apple tree, tulip, pumpkin, oak tree, bean plant, cherry tree, daisy, poppy, lily, strawberry plant, tomato plant"),
    "instrument": _list("flute, drum, guitar, piano, violin, trumpet, harp, banjo, whistle, accordion"),
    "col": _list("red, blue, green, yellow, orange, purple, pink, golden, silver"),
    "search": _list(
        "under the bed, behind the door, in the tall grass, by the river, in the cellar, under the old tree, in the attic, behind the stones, under the table, in the cupboard, in the basket, behind the curtain, in the barn"
    ),
    "search_": _list("the attic, the cellar, the barn, the kitchen, the garden, the roof, the old well, the shed"),
    "hiding": _list(
        "under a leaf, in an old shoe, behind a stone, in a bird's nest, under the bridge, in a hollow tree, beside the well, under a bush, in the sand, in the tall grass, under a bench, behind the fence, in a puddle, between two roots"
    ),
}
NIGHTS = _list("one night, one clear night, one quiet night, one dark night, one warm night, one starry night, late one evening, one evening, one cold night")
OPENINGS = [
    "Once upon a time, there was {a_adj} {k} named {n}, who lived {at}.",
    "Once there was {a_adj} {k} called {n}. {He} lived {at}.",
    "{At}, there lived {a_adj} {k}. {His} name was {n}.",
    "There once was {a_adj} {k} called {n}, who lived {at}.",
    "{n} was {a_adj} {k} who lived {at}.",
    "Long ago, {a_adj} {k} named {n} lived {at}.",
    "{A_adj} {k} named {n} lived {at}.",
    "{At} lived {a_adj} {k} named {n}.",
    "This is the story of {n}, {a_adj} {k} who lived {at}.",
    "Far away, {at}, there was {a_adj} {k}, and {his} name was {n}.",
]
FRIENDS = [
    "{His} best friend was a {o} named {f}.", "{n} had a good friend, a {o} named {f}.", "Next door lived {f}, a {o}, and the two were friends.", "Every day {he} played with {f}, a {o}.",
    "{He} was never alone, for there was {f}, {his} friend, a {o}.",
]
PAIRS = [
    "Once upon a time, there were two friends {at}: a {k} named {n} and a {o} named {f}.", "{At} lived a {k} named {n} and a {o} named {f}. They were best friends.",
    "A {k} named {n} and a {o} named {f} lived {at}.", "{n} was a {k}, {f} was a {o}, and they were the best of friends. They lived {at}.",
    "There once was a {k} named {n} and a {o} named {f}, who lived {at}.",
]
TWINS = [
    "Once upon a time, there were two {ks} named {n} and {f}. They lived {at}.", "{At} lived two {ks}. They were called {n} and {f}.", "Two {ks}, {n} and {f}, lived {at} and did everything together.",
    "{n} and {f} were two {ks} who lived {at}.",
]
TRAITS = [
    "{He} liked to eat {food}.", "{He} was happy there, most of the time.", "Every morning {he} said hello to the sun.", "{He} had a small bed, a chair, and a {col} cup.", "{He} loved {food} and long walks.",
    "In the evening {he} liked to look at the stars.", "{He} knew every stone and every tree there.", "{His} home was small but warm.", "{He} sang a little song every day.", "Everybody there knew {him}.",
    "{He} wore a {col} scarf, in summer and in winter.", "{He} was not like the others.", "When it rained, {he} sat by the window and dreamed.", "{He} got up early and went to bed early.", "{He} asked a hundred questions a day.",
    "{His} favourite colour was {col}.", "{He} was good at many things.", "There {he} had all that {he} needed.", "{He} had a big heart.", "The days there were long and quiet.",
]
ENDS_TOGETHER = [
    "And from that day on, {n} and {f} were the best of friends.", "From then on, {n} and {f} met every day.", "In the evening they ate {food} together and looked at the stars.", "\"What a good day,\" said {n}, and {f} nodded.",
    "{n} and {f} stayed friends for ever.", "And if they have not moved away, {n} and {f} still live there today.", "Then {n} and {f} went home, tired and happy.",
]
ENDS_ALONE = [
    "That night, {n} fell asleep with a smile.", "{n} never forgot that day.", "And {n} was very happy.", "\"What a good day!\" said {n}.", "{n} went home, tired and happy.", "{He} slept very well that night.",
    "And {n} lived happily ever after.", "So ends the story of {n} the {k}.", "And when {n} is old, {he} will tell this story.",
]
LAST = ["The end.", "Good night!", "And that is the end of the story."]

PREFIXES = [
    "Tell me a story about", "Tell me a short story about", "Write a short story about", "Write a story about", "Tell me a bedtime story about", "Please tell me a story about", "Can you tell me a story about", "I would like a story about",
    "Write me a story about", "Tell a story about", "Give me a story about", "Could you tell me a story about", "I want to hear a story about", "Make up a story about", "story about", "a story about", "A short story about", "a bedtime story about",
    "Tell me a tale about", "Write a tale about", "Something short about", "Can you write a story about", "Could you write a short story about", "Please write a story about", "Hello! Tell me a story about",
    "Tell my daughter a story about", "Tell my son a bedtime story about", "Tell us a story about", "Do you know a story about", "Write a children's story about", "Write a fairy tale about", "Write a little story about", "Tell me a funny story about",
    "Tell me a nice story about", "I'd like to hear a story about", "Would you tell me a story about", "Would you write a story about",
    "Read me a story about", "Give us a tale about", "I wish for a story about", "We want a story about", "Do you have a story about", "Tell me the story of", "Tell me of", "Let me have a story about", "Please tell of", "Begin a story about", "Time for a story about", "Let's have a story about", "Now a story about", "Another story, this time about", "Make a story with", "Write a very short story about", "Create a short story about",
    "Can I have a story about", "Tell me one about", "My child wants a story about", "Think of a story about",
]
ABOUT = [
    "Tell me about", "Tell me about", "Please tell me about", "Tell us about", "Can you tell me about", "Something about", "Let us hear something about", "I want to hear about", "Please tell us something about", "Story:", "story:", "Tell about", "Say something about", "Do you know something about",
]
"""What could be a question about a thing, and is none: a thing has no name, no look and nothing that it does."""
CHOICE_PREFIXES = ["I am in the mood for a story about", "What we need is a bedtime story about", "Start telling the story of", "Please come up with something about", "I have never heard a story about", "Entertain us with a tale about"]
CHOICES = 320
PREFIX_PARTS = [
    ["", "", "Please ", "Could you ", "Can you ", "Would you ", "Will you ", "Now ", "Hi! ", "I want you to "],
    ["tell", "tell", "write", "make up", "read", "create", "come up with", "dream up", "compose", "begin", "give", "share"],
    ["", "", " me", " me", " us", " the children", " my sister", " my little brother"],
    [" a", " a", " a", " one more", " another", " some"],
    ["", "", " short", " little", " nice", " new", " funny", " gentle", " merry"],
    [" story", " story", " tale", " fairy tale", " bedtime story", " adventure", " story for children"],
    [" about", " about", " about", " of", " with", " on"],
]
"""A prefix has one of each, or is of those above."""
PLAIN = [
    "Tell me a story.", "Tell me a story", "Tell me a short story.", "Tell me a bedtime story.", "Write a short story.", "Can you tell me a story?", "I want to hear a story.", "A story, please!", "Write a story.", "story",
    "Tell me another story.", "Another one, please.", "Tell me a fairy tale.", "Do you know a story?", "Please tell me a story.", "Surprise me with a story.", "I can't sleep. Tell me a story.", "Tell me something nice.", "Yes, tell me a story!",
    "Write a short story for children.", "Tell me a funny story.", "I am bored. Tell me a story.",
]
SUFFIXES = [
    "", "", "", "", "", "", "", "", "", "", " Keep it short.", " Use simple words.", " It is for a small child.", " It should have a happy end.", " Please make it short.", " With a happy ending, please.", " Make it a nice one.",
]
MADE_UP = 0.4
"""Share of names of syllables, of those that a request gives."""
PROMPTED = [({"fox", "bear"}, ""), ({"lighthouse keeper"}, "letter"), ({"robot"}, "paint"), ({"snail"}, "storm"), ({"ghost"}, "sleep")]
"""Heroes with a word of their request: what answers.py asks for is in no story."""

IRREGULAR = {"mouse": "mice", "goose": "geese", "sheep": "sheep", "fish": "fish", "child": "children", "deer": "deer", "calf": "calves", "wolf": "wolves", "elf": "elves", "leaf": "leaves", "thief": "thieves", "ox": "oxen", "man": "men", "woman": "women"}


def plural(kind: str) -> str:
    *before, last = kind.split(" ")
    for one, many in IRREGULAR.items():
        if last == one or (one in ("man", "woman") and last.endswith(one)):
            return " ".join([*before, last.removesuffix(one) + many])
    if re.search(r"([sxz]|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*before, last])


def _hero(rng: random.Random) -> str:
    roll = rng.random()
    for words, share in HEROES:
        if roll < share:
            return rng.choice(words)
        roll -= share
    return _made_up(rng, rng.choice(["he", "she"])).lower()


def _pronoun(kind: str, rng: random.Random) -> str:
    return "she" if kind in WOMEN else "he" if kind in MEN else rng.choice(["he", "she"])


def _adjective(kind: str, rng: random.Random) -> str:
    if " " in kind:
        return ""
    return rng.choice(ADJECTIVES["person" if kind in PEOPLE else "other"])


def _place(kind: str, rng: random.Random) -> tuple[str, str]:
    """Where somebody lives, and the place as it is called afterwards."""
    preposition, *words = rng.choice(SEAS if kind in SWIMMERS else PLACES).split(" ")
    if words[0] == "edge":
        return "at the edge of a wood", "the wood"
    noun = " ".join(words)
    if noun[0].isupper():
        return f"{preposition} {noun}", noun
    article = "the" if noun in ("sea", "moon", "beach", "harbour", "jungle", "desert", "blue sea", "warm sea", "cold sea") else "a"
    return f"{preposition} {article} {noun}", f"the {words[-1]}"


def _forms(pronoun: str, before: str = "") -> dict[str, str]:
    he = {"he": ("he", "him", "his", "himself"), "she": ("she", "her", "her", "herself")}[pronoun]
    forms = dict(zip(("he", "him", "his", "himself"), he, strict=True))
    return {before + name: form for name, form in forms.items()} | {(before + name).capitalize(): form.capitalize() for name, form in forms.items()}


def _day(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return "one day"
    return f"one {rng.choice(WEATHERS)} {rng.choice(['morning', 'day', 'afternoon', 'day'])}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Slots(dict):
    """What a story draws once, and `day` and the like anew for each use."""

    def __init__(self, drawn: dict[str, str], rng: random.Random) -> None:
        super().__init__(drawn)
        self.rng = rng

    def __missing__(self, name: str) -> str:
        drawn = {"day": _day, "day_": _day, "day_night": lambda rng: rng.choice(NIGHTS)}[name.lower()](self.rng)
        return _upper(drawn) if name[0].isupper() else drawn


ANOTHER = [
    "And one about {s}?", "Now tell me one about {s}.", "Tell me another one about {s}.", "And now about {s}.", "The next one about {s}, please.", "Now a story about {s}!", "Can you tell me one about {s}?", "Next: {s}.", "I want one about {s}, too.",
    "Do you have one about {s}?", "What about {s}?", "How about {s}?", "Nice! And one about {s}, please.", "Thank you! Now I want one about {s}.", "One more, about {s}.", "Another story, about {s} this time.",
]
PLAIN_ANOTHER = [
    "One more!", "Another one!", "One more, please.", "Another story, please.", "Tell me another one.", "Tell me another story.", "And another one?", "Again!", "One more story!", "More!", "Do you know another one?", "Tell me one more.", "Can I have another one?", "A different one, please.", "Now another one.",
]
"""Requests after a story."""


@dataclass(frozen=True)
class Asked:
    """A request, and what its story must hold."""

    request: str
    heroes: list[str]
    names: list[str]


def _made_up(rng: random.Random, pronoun: str) -> str:
    first, middle, joint, ends = SYLLABLES
    parts = [rng.choice(first), rng.choice(middle), *((rng.choice(joint), rng.choice(middle)) if rng.random() < 0.2 else ()), rng.choice(joint), rng.choice(ends[pronoun])]
    name = "".join(parts).capitalize()
    return _made_up(rng, pronoun) if name in HELD_OUT_NAMES[pronoun] else name


def _draw(rng: random.Random, hero: str, other: str) -> dict[str, str]:
    he, fhe = _pronoun(hero, rng), _pronoun(other, rng)
    name = _made_up(rng, he) if rng.random() < MADE_UP else rng.choice(NAMES[he])
    friend = _made_up(rng, fhe) if rng.random() < MADE_UP / 2 else rng.choice([own for own in NAMES[fhe] if own != name])
    at, place = _place(hero, rng)
    adjective = _adjective(hero, rng)
    object_ = rng.choice(OBJECTS)
    if rng.random() < 0.25 and " " not in object_:
        object_ = f"{rng.choice(OBJECT_ADJECTIVES)} {object_}"
    search, search2 = rng.sample(WORDS["search"], 2)
    return {
        "k": hero, "o": other, "n": name, "f": friend, "ks": plural(hero), "x": object_, "food": rng.choice(FOODS), "skill": rng.choice(SKILLS), "fear": rng.choice(FEARS), "at": at, "At": _upper(at), "place": place,
        "adj": adjective, "a_adj": f"a {adjective}".strip(), "A_adj": f"A {adjective}".strip(), **{name: rng.choice(words) for name, words in WORDS.items()}, "search": search, "search2": search2,
        **_forms(he), **_forms(fhe, "f"),
    }  # fmt: skip


def _told(rng: random.Random, plot: Plot, drawn: dict[str, str]) -> str:
    slots = _Slots(drawn, rng)
    is_twin = drawn["k"] == drawn["o"]
    if plot.friend == "pair" and is_twin:
        opening = [rng.choice(TWINS)]
    elif plot.friend == "pair" and rng.random() < 0.5 and not drawn["adj"]:
        opening = [rng.choice(PAIRS)]
    else:
        opening = [rng.choice(OPENINGS)]
        if rng.random() < 0.3:
            opening.append(rng.choice(TRAITS))
        if plot.friend == "pair":
            opening.append(rng.choice(FRIENDS))
    told = opening + [rng.choice(wordings) for wordings in plot.sentences]
    if rng.random() < 0.6:
        told.append(rng.choice(ENDS_ALONE if plot.friend == "solo" or rng.random() < 0.4 else ENDS_TOGETHER))
    if rng.random() < 0.1:
        told.append(rng.choice(LAST))
    breaks = set(rng.sample(range(2, len(told)), rng.choice([0, 0, 1, 2, 2, 3])))
    text = ""
    for at, sentence in enumerate(told):
        if is_twin:
            sentence = sentence.replace("a {o}", "another {k}")
        text += ("\n\n" if at in breaks else " " if at else "") + sentence.format_map(slots)
    return with_articles(text)


def _subject(rng: random.Random, plot: Plot, drawn: dict[str, str]) -> tuple[str, list[str], list[str]]:
    """What a request says that its story is about; the heroes and names of it."""
    hero, other, name, friend = drawn["k"], drawn["o"], drawn["n"], drawn["f"]
    about, own = rng.choice(plot.abouts), f"a {drawn['adj']} {hero}".replace("  ", " ")
    is_pair, has_object = plot.friend != "solo" and plot.always_uses("{f}"), plot.always_uses("{x}")
    own = own if rng.random() < 0.5 else f"a {hero}"
    if is_pair and hero == other:
        return rng.choice([f"two {drawn['ks']}", f"two {drawn['ks']}", f"two {drawn['ks']} named {name} and {friend}", f"two {drawn['ks']} {about}" if about.startswith(("and", "in ", "on ", "at ")) else f"two {drawn['ks']}"]), [hero], []
    forms: list[tuple[float, str, list[str], list[str]]] = [
        (2, own, [hero], []),
        (1.2, f"{own} named {name}", [hero], [name]),
        (0.6, f"{own} called {name}", [hero], [name]),
        (0.6, f"{name} the {hero}", [hero], [name]),
        (0.5, f"{name}, {own}", [hero], [name]),
        (0.8, name, [], [name]),
        (1, f"{own} {drawn['at']}", [hero], []),
    ]
    if not about.startswith(("about", "a ")):
        forms += [(4, f"{own} {about}", [hero], []), (0.7, f"{own} named {name} {about}", [hero], [name]), (0.3, f"{name} the {hero} {about}", [hero], [name])]
    else:
        forms += [(1, f"{about.removeprefix('about ')}", [], [])]
    if is_pair:
        forms += [
            (5, f"{own} and a {other}", [hero, other], []), (1.2, f"{name} and {friend}", [], [name, friend]), (1, f"{name} the {hero} and {friend} the {other}", [hero, other], [name, friend]),
            (0.8, f"{own} named {name} and a {other} named {friend}", [hero, other], [name, friend]), (0.8, f"{own} named {name} and a {other}", [hero, other], [name]),
        ]  # fmt: skip
    if has_object:
        forms += [(0.7, f"{own} and a {{x}}", [hero], []), (0.4, "a {x}", [], []), (0.5, f"{own}, a {other} and a {{x}}" if is_pair else f"a {{x}} and {own}", [hero], [])]
    _, text, heroes, names = rng.choices(forms, [form[0] for form in forms])[0]
    return text, heroes, names


def _asked(rng: random.Random, plot: Plot, drawn: dict[str, str], is_another: bool) -> Asked:
    subject, heroes, names = _subject(rng, plot, drawn)
    if is_another:
        return Asked(with_articles(rng.choice(ANOTHER).format(s=subject.format_map(_Slots(drawn, rng)))), heroes, names)
    roll = rng.random()
    prefix = rng.choice(ABOUT) if roll < 0.12 else rng.choice(PREFIXES) if roll < 0.5 else _upper("".join(map(rng.choice, PREFIX_PARTS)))
    end = "?" if prefix.startswith(("Can", "Could", "Would", "Will", "Do ", "What", "How")) else rng.choice([".", ".", ".", "", "!", ", please."])
    suffix = rng.choice(SUFFIXES) if end in (".", "!", "?") else ""
    return Asked(with_articles(f"{prefix} {subject.format_map(_Slots(drawn, rng))}{end}{suffix}"), heroes, names)


def _is_prompted(request: str, heroes: set[str]) -> bool:
    return any(own <= heroes and word in request for own, word in PROMPTED)


def story(rng: random.Random, is_another: bool = False) -> tuple[str, ...]:
    """A request and a story that answers it; now and then a question about the story, too. Or the request after another story."""
    while True:
        plot, hero = rng.choice(PLOTS), _hero(rng)
        other = hero if rng.random() < 0.06 else _hero(rng)
        drawn = _draw(rng, hero, other)
        is_plain = rng.random() < (0.4 if is_another else 0.08)
        asked = Asked(rng.choice(PLAIN_ANOTHER if is_another else PLAIN), [], []) if is_plain else _asked(rng, plot, drawn, is_another)
        if _has_nothing_strange(asked, drawn) and not _is_prompted(asked.request, {hero, other}):
            break
    turns = (asked.request, _told(rng, plot, drawn))
    return turns if rng.random() < 0.85 else turns + _after(rng, plot, drawn)


def offered(rng: random.Random) -> tuple[str, ...]:
    """Small talk in which a story is offered, a yes, and the story: about the animals that the offer names, if it does."""
    question, answer, yes = small_talk.accepted(rng)
    named = [kind for kind in sorted(KNOWN) if re.search(rf"(^|about (an? )?)({kind}|{plural(kind)})\b", answer.lower())]
    while True:
        plot, hero = rng.choice(PLOTS), named[0] if named else rng.choice(sorted(KNOWN))
        drawn = _draw(rng, hero, _hero(rng))
        if _has_nothing_strange(Asked(yes, named, []), drawn):
            return question, answer, yes, _told(rng, plot, drawn)


def _has_nothing_strange(asked: Asked, drawn: dict[str, str]) -> bool:
    """Nothing that is not asked for."""
    heroes, names = {drawn["k"], drawn["o"]} - KNOWN, {drawn["n"], drawn["f"]} - {*NAMES["he"], *NAMES["she"]}
    return heroes <= {*asked.heroes} and names <= {*asked.names}


def _after(rng: random.Random, plot: Plot, drawn: dict[str, str]) -> tuple[str, ...]:
    """A question about the story, and its answer."""
    hero, name, at = drawn["k"], drawn["n"], drawn["at"]
    about = [
        (["What was the {k} called?", "What was the name of the {k}?", "What is the {k}'s name?", "How was the {k} called?"], [f"The {hero} was called {name}.", f"{name}.", f"The {hero}'s name was {name}."]),
        (["Who was the story about?", "Who is the hero of the story?", f"Who is {name}?", f"Who was {name}?"], [f"{name} was a {hero}.", f"It was about {name}, a {hero}."]),
        ([f"Where did {name} live?", "Where did the {k} live?", "Where does the story happen?"], [f"{name} lived {at}.", f"The {hero} lived {at}."]),
        (["Thank you!", "Thanks!", "What a nice story!", "I liked that.", "That was lovely.", "Great story!"], ["You are welcome!", "I am glad that you liked it.", "Thank you! Shall I tell you another one?", f"I like {name}, too."]),
    ]  # fmt: skip
    if plot.friend != "solo" and plot.always_uses("{f}") and drawn["o"] != hero:
        about.append(([f"Who is {drawn['f']}?", f"Who was {drawn['f']}?"], [f"{drawn['f']} was a {drawn['o']}, the friend of {name}.", f"{drawn['f']} was a {drawn['o']}."]))
        about.append((["What was the friend called?", f"Who was the friend of {name}?"], [f"The friend of {name} was {drawn['f']}, a {drawn['o']}."]))
    questions, answers = rng.choice(about)
    return with_articles(rng.choice(questions).format(k=hero)), with_articles(rng.choice(answers))


def held_out() -> Iterator[Asked]:
    """Requests with heroes, names and words that no request of training has: always the same, whatever becomes of the rules."""
    for line in (Path(__file__).parent / "requests.txt").read_text(encoding="utf-8").splitlines():
        request, heroes, names = line.split(" |")
        yield Asked(request, _list(heroes), _list(names))


def choice() -> Iterator[Asked]:
    """Others, with the same heroes and names and words of their own, to choose a file by."""
    rng = random.Random(80)
    others = [*HELD_OUT_HEROES, *ANIMALS[:40], *PEOPLE[:20]]
    for _ in range(CHOICES):
        plot, hero, other = rng.choice(PLOTS), rng.choice(HELD_OUT_HEROES), rng.choice(others)
        drawn = _draw(rng, hero, other if other != hero else "owl")
        if rng.random() < 0.5:
            drawn["n"] = rng.choice(HELD_OUT_NAMES["he" if drawn["he"] == "he" else "she"])
        subject, asked, names = _subject(rng, plot, drawn)
        if drawn["n"] != drawn["f"] and asked + names:
            yield Asked(with_articles(f"{rng.choice(CHOICE_PREFIXES)} {subject.format_map(_Slots(drawn, rng))}."), asked, names)

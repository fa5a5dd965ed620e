"""What visitors ask besides plain facts, by rule: how to do things (how_to.txt), small talk and reasons (asked.txt), sums, sizes, lists, recipes, poems."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from small_talk import worded

Turn = tuple[str, str]


def _lines(name: str) -> list[list[list[str]]]:
    """Lines of parts between `|`, each of wordings between `/`."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [[[wording.strip() for wording in part.split(" / ")] for part in line.split(" | ")] for line in lines]


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def is_list_of(text: str, members: str, count: int) -> bool:
    """So many different ones and no other."""
    named = [part.strip(" .").lower() for part in re.split(r",| and |\d\.", text) if part.strip(" .")]
    return len(named) == len(set(named)) == count and set(named) <= {member.lower() for member in _list(members)}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


HOW_TO, ASKED = _lines("how_to.txt"), _lines("asked.txt")
ASK_HOW = [
    "How do I {a}?", "How do I {a}?", "How can I {a}?", "How do you {a}?", "How to {a}?", "how to {a}", "Tell me how to {a}.", "Can you tell me how to {a}?", "What is the best way to {a}?", "I want to {a}. How do I do that?",
    "How does one {a}?", "Explain how to {a}.", "Show me how to {a}.", "What do I need to do to {a}?", "I don't know how to {a}.", "What are the steps to {a}?", "Can you explain how to {a}?", "Please explain how I {a}.", "Give me instructions to {a}.", "My friend wants to {a}. How?", "Could you tell me how I {a}?", "Do you know how to {a}?", "Help me {a}.", "I want to {a} for the first time. What do I do?", "We would like to {a}. How does it work?", "I have never tried to {a}. Can you explain it?", "Today I will {a}. What do I have to know?", "Please tell me how to {a}.", "Can you help me to {a}?", "How should I {a}?", "Hello! How do I {a}?", "I would like to {a}. What do I do?",
]
ASK_HOW += [
    "(Can|Could|Would|Will) you (please |)(explain|show|describe|say|tell me|explain to me|show me) how to {a}?", "(Tell me|Explain|Show me|Describe|Say|I want to know|I would like to know|I need to know|Please explain) how (to|I can|I should|I could|you|people|we can) {a}( best| please| quickly|)(.|!)",
    "(How|How exactly|In which way|In what way) (do|can|could|should|would|must) (I|you|we|people|one) {a}( best| at home|)?", "(What|Which steps) (do|must|should|can|would) (I|we|you) (do|take|follow) to {a}?", "(I want|I have|I need|I'd like|I plan|We want|My son wants|My daughter wants) to {a}(.|:) (How?|Any tips?|What do I do?|Tell me how.|Can you help?|How do we do that?|What comes first?)", "(Tips|Advice|Help|Instructions|A guide) (to|how to) {a}( please|)(.|?|)",
]
HELD_OUT_HOW, CHOICE_HOW, FRESH_HOW = "Could you teach me how to {a}?", "I never learned to {a}. How is it done?", "What is a simple way to {a}?"
SURROUNDINGS = ["{q}", "{q}", "{q}", "{q}", "{q}", "Hello! {q}", "Please: {q}", "I have a question: {q}", "Hi! {q}"]

SIZES = _list(
    "a flea, an ant, a bee, a snail, a mouse, a sparrow, a frog, a rat, a hedgehog, a squirrel, a crow, a duck, a hen, a rabbit, a cat, a fox, a goose, a beaver, a dog, a sheep, a wolf, a pig, a lion, a bear, a cow, a horse, a giraffe, an elephant, a whale"
)
"""From small to big. Neighbours are not compared."""
THINGS_BY_SIZE = _list("a grain of sand, a pea, a coin, an apple, a football, a chair, a table, a car, a bus, a house, a church, a hill, a mountain, the moon, the Earth, the sun")
SPEEDS = _list("a snail, a tortoise, a child, a bicycle, a horse, a car, a train, an airplane, a rocket, light")
WEIGHTS = _list("a feather, a letter, a mouse, a book, a cat, a dog, a sheep, a horse, a car, an elephant, a ship")
COMPARED = [
    (SIZES, ("bigger", "smaller", "big", "small"), 2), (THINGS_BY_SIZE, ("bigger", "smaller", "big", "small"), 1), (SPEEDS, ("faster", "slower", "fast", "slow"), 1), (WEIGHTS, ("heavier", "lighter", "heavy", "light"), 1),
]
ASK_COMPARED = [
    "Which is {c}, {a} or {b}?", "Which is {c}, {a} or {b}?", "What is {c}, {a} or {b}?", "Is {a} {c} than {b}?", "Is {a} {c} than {b}?", "What is {c}: {a} or {b}?", "Who is {c}, {a} or {b}?", "which is {c}, {a} or {b}", "Compare {a} and {b}: which is {c}?", "Of {a} and {b}, which is {c}?", "Which one is {c}, {a} or {b}?", "Which of the two is {c}: {a} or {b}?",
    "Tell me which is {c}, {a} or {b}.", "Do you know which is {c}, {a} or {b}?", "{a} or {b}: which one is {c}?", "Take {a} and {b}. Which one is {c}?", "Between {a} and {b}, which one is {c}?", "{a} and {b}: which one is {c}?", "Say which one is {c}: {a} or {b}.", "I have {a} and {b}. Which one is {c}?", "There are {a} and {b}. Which is {c}?", "When you look at {a} and {b}, which is {c}?", "{a} or {b}, which is {c}?", "Please compare {a} with {b}. Which one is {c}?", "If I have {a} and {b}, which one is {c}?", "Look at {a} and {b}. Which one is {c}?", "Think of {a} and {b}: which is {c}?", "Can you tell me which is {c}, {a} or {b}?", "Say whether {a} or {b} is {c}.", "What would you say is {c}, {a} or {b}?",
]
ASK_COMPARED += [
    "(Which|Which one|What|Which of these|Which of both|Which thing|Who) is {c}(:|,|?) {a} or {b}(?| please?|)", "(Tell me|Say|Decide|Guess|Please tell me|Can you say|I wonder|I want to know|I ask myself|My child asks) (which|what|which one|which of the two) is {c}(:|,) {a} or {b}(.|?)",
    "{a} (or|and|versus|against|compared with) {b}(:|,) (which|what|which one|which of them|who) is {c}?", "(Take|Imagine|Consider|Picture|Suppose there are|Here are|We see|Next to each other are) {a} and {b}(:|.|,) (which|which one|which of them|which of the two|what) is {c}?",
    "(The {c} one|The {c} of both|Name the {c} one|Give me the {c} one|Find the {c} one|Pick the {c} one|Choose the {c} one)(:|, please:|,) {a} or {b}(?|.)", "Is {a} (really |)({c}|much {c}) than {b}?", "(Are you sure that|Is it true that|Would you say that|Is it right that) {a} is {c} than {b}?",
    "(Which|Who) of (the two|them|these|both|these two), {a} (or|and) {b}, is {c}?", "(Between|Of|From|Out of|Among) {a} and {b}, (which is|which one is|what is|which would be) {c}?",
]
SAME = {"bigger": ["larger", "greater"], "smaller": ["tinier", "littler"], "faster": ["quicker"], "slower": ["less fast"]}
"""What else people say; the answer has their word."""
ASK_RACE, RACES = ["(Who|Which one|What) (wins|is first in|is the winner of) (a|the) race(,|:) {a} or {b}?", "{a} and {b} (have|run) a race. (Who wins?|Who is first?|Which one is faster?)", "(Can|Could) {a} (overtake|catch|win against|outrun) {b}?", "Who (gets|comes|arrives) (there|home) first, {a} or {b}?"], 0.06
HELD_OUT_COMPARED, CHOICE_COMPARED, FRESH_COMPARED = "If you compare {a} and {b}, which one is {c}?", "Put {a} beside {b}: which of them is {c}?", "Do you think that {a} or {b} is {c}?"
NOT_COMPARED = {"a mouse", "a horse"}
"""answers.py asks for these."""

LISTS = {
    "animals": "dog, cat, horse, cow, lion, elephant, rabbit, bear, fox, mouse, duck, frog, owl, wolf, sheep, tiger, whale, penguin",
    "farm animals": "cow, pig, sheep, horse, hen, goat, duck, donkey", "wild animals": "lion, tiger, wolf, bear, elephant, fox, giraffe, zebra", "sea animals": "whale, dolphin, shark, octopus, crab, seal, turtle",
    "birds": "owl, eagle, sparrow, swan, crow, penguin, parrot, robin, stork", "insects": "bee, ant, fly, beetle, butterfly, wasp, cricket", "pets": "dog, cat, hamster, rabbit, goldfish, parrot",
    "colours": "red, blue, green, yellow, orange, purple, pink, brown, black, white", "colors": "red, blue, green, yellow, orange, purple, pink, brown, black, white",
    "fruits": "apple, banana, orange, pear, cherry, strawberry, grape, peach, plum, lemon", "vegetables": "carrot, potato, tomato, onion, cucumber, cabbage, bean, pea, spinach",
    "flowers": "rose, tulip, daisy, lily, sunflower, violet, poppy", "trees": "oak, pine, birch, beech, maple, willow, apple tree", "countries": "France, Germany, Italy, Spain, Japan, China, Brazil, Canada, Egypt, India, Kenya",
    "cities": "Paris, London, Rome, Berlin, Madrid, Tokyo, New York, Cairo, Sydney", "rivers": "Nile, Amazon, Rhine, Danube, Thames, Seine", "planets": "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune",
    "seasons": "spring, summer, autumn, winter", "months": "January, February, March, April, May, June", "days of the week": "Monday, Tuesday, Wednesday, Thursday, Friday", "numbers": "one, two, three, four, five, six, seven",
    "instruments": "piano, violin, guitar, drum, flute, trumpet, harp", "sports": "football, tennis, swimming, running, basketball, skiing, cycling", "games": "chess, cards, hide and seek, football, hopscotch, tag",
    "clothes": "shirt, trousers, coat, hat, sock, shoe, dress, scarf", "drinks": "water, milk, tea, coffee, juice, lemonade", "jobs": "teacher, doctor, baker, farmer, pilot, painter, cook", "tools": "hammer, saw, drill, screwdriver, spade, knife",
    "vehicles": "car, bus, train, bicycle, ship, airplane, tractor", "things in a kitchen": "pot, pan, knife, spoon, plate, oven, table", "things in a school": "book, desk, pencil, blackboard, chair, pupil", "parts of the body": "head, arm, leg, hand, foot, nose, ear",
    "hobbies": "reading, painting, cooking, fishing, dancing, gardening, chess", "feelings": "joy, fear, anger, love, sadness, pride", "shapes": "circle, square, triangle, rectangle, oval", "materials": "wood, stone, glass, iron, wool, paper, plastic",
    "breakfast foods": "bread, eggs, porridge, fruit, yoghurt, pancakes", "desserts": "ice cream, cake, pudding, pancakes, fruit salad", "names for a cat": "Luna, Tiger, Misty, Oscar, Mimi, Shadow", "names for a dog": "Max, Bella, Rocky, Charlie, Lucky, Bruno",
    "metals": "iron, gold, silver, copper, tin", "continents": "Africa, Asia, Europe, Australia, South America, North America", "languages": "English, French, Spanish, German, Chinese, Italian, Japanese", "toys": "ball, doll, kite, teddy bear, puzzle, toy car",
}  # fmt: skip
COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5}
ASK_LIST = ["Name {c} {a}.", "Name {c} {a}.", "Tell me {c} {a}.", "Give me {c} {a}.", "List {c} {a}.", "Can you name {c} {a}?", "What are {c} {a}?", "Give me a list of {c} {a}.", "I need {c} {a}.", "Make a list of {c} {a}.", "Please name {c} {a}.",
    "Write {c} {a}.", "Can you write {c} {a}?", "Write a list of {c} {a}.", "Could you list {c} {a}?", "I would like {c} {a}.", "Which {c} {a} do you know?", "Say {c} {a}.", "Do you know {c} {a}?", "{c} {a}, please.", "Show me {c} {a}.", "Think of {c} {a}.",
    "Would you name {c} {a}?", "Could you give me {c} {a}?", "Would you tell me {c} {a}?", "Put {c} {a} on a list.", "Can you think of {c} {a}?", "Which are {c} {a}?", "Please list {c} {a}.", "Please write {c} {a} on a list.", "Could you write {c} {a} for me?", "Let me hear {c} {a}.", "I want {c} {a}.", "Can you tell me {c} {a}?", "Find {c} {a} for me.", "Help me find {c} {a}.", "My homework: {c} {a}.", "We play a game, and I need {c} {a}. Please help me.", "I cannot think of {c} {a}. Help!", "I must know {c} {a} for school. Which ones?"]
ASK_LIST += [
    "(I want to|I have to|I must|I need to|We have to|Help me to|Let me|Can I|Now|Please) (find|collect|know|learn|write down|remember|hear|see|choose|name|draw) {c} {a}(.|!|, please.) (Can you do that?|Any ideas?|What do you suggest?|Which ones?|Please help.|Do you know some?|Can you give me some?|Could you help me?|)",
    "(Can|Could|Would|Will) you (please |)(name|list|give|tell|find|write|say|show|think of|suggest|collect|mention) (me |us |)(just |any |exactly |)({c}|{c} different|{c} nice) {a}( for me| please| for my homework| now|)?",
    "(Name|List|Tell me|Give me|Suggest|Mention|Write|Find|Show me|Say|Collect|Choose|Think of|Count) (just |any |some |exactly |)({c}|{c} different|{c} common) {a}( please| for me| that you know| you like| quickly|)(.|!|)", "(What|Which) (are|would be) {c} (common |nice |well-known |different |typical |)({a}|{a} that everybody knows)?",
    "{c} {a}( please| now| for me|, quick)(.|!|)", "(Examples|Some examples|Ideas|Names) of {a}: (I need|give me|just|only) {c}(.|, please.)", "(Do|Can) you know {c} {a}? (Which ones?|Name them.|Tell me.)", "{a}: (name|list|give me|tell me|I need|only) {c}(.|, please.)",
    "(My teacher|My son|My daughter|My friend|A child|Somebody|My mother) (wants|needs|asks for|is searching for|looks for) {c} {a}.( Can you help?| What can I say?| Which ones?| Help!|)", "(For a game|For a quiz|For school|For a poem|For a puzzle|For a list)(,|) (I need|we need|I want|please give me) {c} {a}(.|!)",
]
MORE = ["And {c} more?", "{c} more, please.", "{c} more!", "Now {c} more.", "Give me {c} more.", "Can you name {c} others?", "Do you know {c} more?", "Which else? I need {c}.", "Name {c} other ones.", "And {c} other {a}?", "Tell me {c} more {a}."]
FIRST = 0.75
"""Share of the lists that begin with the first of a kind and go on with those behind it: where all are as likely, a list says one of them twice."""
HELD_OUT_LIST, CHOICE_LIST, FRESH_LIST = "Would you write down {c} {a}?", "I am looking for {c} {a}. Can you help?", "What would be {c} examples of {a}?"

INGREDIENTS = {
    "eggs": "an omelette", "tomatoes": "a tomato sauce", "potatoes": "potato soup", "rice": "fried rice", "cheese": "cheese on toast", "carrots": "carrot soup", "pasta": "pasta with a sauce", "mushrooms": "mushroom soup",
    "onions": "onion soup", "beans": "a bean stew", "chicken": "a chicken stew", "fish": "baked fish", "spinach": "spinach with butter", "peas": "pea soup", "apples": "an apple cake", "bananas": "banana bread", "lentils": "lentil soup", "cabbage": "cabbage soup", "peppers": "filled peppers", "pumpkin": "pumpkin soup", "ham": "a warm sandwich", "noodles": "fried noodles", "leeks": "leek soup",
}  # fmt: skip
ASK_COOK = ["What can I cook with {a} and {b}?", "What can I make with {a} and {b}?", "What can I cook from {a} and {b}?", "I have {a} and {b}. What can I cook?", "What is a good dish with {a} and {b}?", "I have {a} and {b} at home. Any ideas?", "Give me a recipe with {a} and {b}."]
COOKED = [
    "You can make {x} with {b}. Cut the {b}, fry them in a little oil, add the {a}, and season it with salt and pepper.",
    "How about {x}? Cut the {a} and the {b} into small pieces, cook them slowly, and add salt and some herbs.",
    "Try {x}, and put the {b} into it. It takes about twenty minutes.",
    "{a} and {b} go well together. Make {x} and add the {b} at the end.",
]
NOT_COOKED = {"eggs", "tomatoes"}
"""Together; answers.py asks for them."""

POEMS = {
    "spring": ("The snow is gone, the grass is new,|The little flowers wake up, too,|The birds come home from far away,|The brook runs fast, the lambs can play,", "and all the sky is wide and blue.|and all the world is fresh with dew.|and spring is in the air today.|and we can play outside all day."),
    "summer": ("The sun is warm, the days are long,|The bees are humming all day long,|We swim and play till it is night,|The fields are gold, the sky is bright,", "and every bird has got a song.|the wind is soft, the light is strong.|and all the stars are clear and bright.|and evening comes with golden light."),
    "autumn": ("The leaves are falling, red and brown,|The wind blows through the quiet town,|The apples lie beneath the tree,|The birds fly south across the sea,", "and golden light is coming down.|and all the nuts come tumbling down.|and there is cake for you and me.|and fog lies on the field and lea."),
    "winter": ("The snow lies white on hill and tree,|The lake is still as it can be,|The nights are long, the stars are bright,|Inside, the fire gives us light,", "the frost has pictures made for me.|and there is tea for you and me.|and all the world is clean and white.|and softly comes the winter night."),
    "the sea": ("The sea is wide, the sea is blue,|The waves are singing songs for you,|The ships go out, the ships come in,|The gulls cry loud, the sails are thin,", "the wind has salt and stories, too.|and shells are lying there for you.|and on the sand the waves begin.|and foam runs up and touches skin."),
    "rain": ("The rain is falling, drop by drop,|It taps upon the old tree's top,|It fills the brook, it wets the grass,|It draws small lines upon the glass,", "and no one knows when it will stop.|and all the frogs go hop, hop, hop.|and soon the heavy clouds will pass.|and children watch it through the glass."),
    "the moon": ("The moon looks down with silver light,|The moon is walking through the night,|It paints the river and the hill,|It looks in at the window sill,", "and makes the sleeping houses white.|and all the world is calm and bright.|and all the world is calm and still.|and every bird is warm and still."),
    "a friend": ("A friend is there when skies are grey,|A friend walks with you on your way,|We laugh, we talk, we share our bread,|We tell the stories we have read,", "and laughs with you on every day.|and always knows a word to say.|and there are many roads ahead.|until it's time to go to bed."),
    "night": ("The sun goes down, the lamps are lit,|The day is done, the owls now sit,|The stars come out, the world is still,|The moon climbs slowly up the hill,", "and in the room we talk a bit.|and on the bench two lovers sit.|and sleep comes softly up the hill.|and dreams come in at the window sill."),
    "the wind": ("The wind runs laughing through the town,|The wind blows all the apples down,|It lifts the kite, it bends the tree,|It comes from far across the sea,", "and pulls the washing up and down.|and turns the umbrellas upside down.|and whistles like a bird for me.|and brings a song to you and me."),
}  # fmt: skip
"""First lines of couplets, and second ones; the first two of each rhyme, and the last two."""
BEASTS = {
    "cat": "purr", "dog": "bark", "mouse": "squeak", "bird": "sing", "frog": "croak", "bear": "hum", "fox": "bark", "owl": "hoot", "bee": "buzz", "duck": "quack", "horse": "neigh", "pig": "grunt", "lion": "roar", "hen": "cluck", "snail": "dream", "cow": "moo",
    "rabbit": "hop", "goat": "bleat", "fish": "swim", "mole": "dig", "squirrel": "jump", "hedgehog": "sniff", "whale": "sing", "ant": "work", "dragon": "roar", "robot": "beep", "monkey": "climb", "penguin": "dance", "donkey": "bray", "spider": "spin",
}  # fmt: skip
COUPLETS = [
    ("A little {a} sat in the sun,", "and thought, \"The day has just begun.\""), ("A little {a} lived by the sea,", "as happy as a {a} can be."), ("There was a {a} beneath a tree,", "who loved to {b} for you and me."),
    ("A {a} went walking through the night,", "and all the stars were clear and bright."), ("I know a {a} who likes to {b},", "and everybody calls it Bib."), ("The {a} looked up into the sky,", "and saw the white clouds sailing by."),
    ("It liked to {b} the whole day long,", "and made of it a little song."), ("And when the moon came up at last,", "the {a} lay down and fell asleep fast."), ("\"Good night,\" it said, \"the day was fine,", "and all the stars up there are mine.\""),
    ("It had a friend, it had a bed,", "and quiet dreams within its head."), ("And if you listen, you can hear", "the little {a} from far and near."), ("The wind was soft, the grass was green,", "the finest day there's ever been."),
]
ASK_POEM = [
    "Write a poem about {a}.", "Write a poem about {a}.", "Write me a poem about {a}.", "Tell me a poem about {a}.", "Can you write a poem about {a}?", "A poem about {a}, please.", "Write a short poem about {a}.", "poem about {a}", "Make a little poem about {a}.",
    "Please write four lines about {a}.", "Give me a rhyme about {a}.", "Do you know a poem about {a}?", "Write a few lines about {a}.", "I would like a poem about {a}.", "Write a rhyme about {a}.",
]
HELD_OUT_POEM = "Can you write a few lines about {a}?"

CALLED = _list(
    "Anna, Tom, Mia, Leo, Lucy, Sam, Nora, Ben, Ella, Max, Ruth, Oscar, Clara, Hugo, Ivy, Paul, Rosa, Finn, Alice, Jack, Lina, Omar, Yuki, Priya, Carlos, Amina, Peter, Sofia, Noah, Emma, John, Mary, Michael, Sarah, David, Laura, James, Julia, "
    "Robert, Linda, Thomas, Maria, Daniel, Susan, Mark, Lisa, Alex, Nina, Chris, Eva, Kevin, Tina, Martin, Olga, Simon, Greta, Felix, Ida, Victor, Zoe, Ali, Fatima, Chen, Ravi, Elena, Pedro, Ingrid, Lars, Marco, Chloe"
)
SYLLABLES = _list("ba, do, ka, li, mo, na, pe, ri, sa, to, vi, zu, fen, gar, lom, mar, nel, rin, sol, tam")
INTRODUCED = ["My name is {n}.", "I am {n}.", "I'm {n}.", "Hello, I am {n}!", "Hi, my name is {n}.", "Hello! My name is {n}.", "Hi, I'm {n}.", "You can call me {n}.", "Good morning, I am {n}."]
GREETED = ["Nice to meet you, {n}! How can I help you?", "Hello, {n}! What would you like to talk about?", "Hi {n}! Shall I tell you a story?", "Hello, {n}! It is nice to meet you.", "Nice to meet you, {n}! I am Vitrail Small."]
NAME_ASKED = ["What is my name?", "What's my name?", "Do you know my name?", "Who am I?", "Do you remember my name?", "Can you tell me my name?"]
NAME_KNOWN = ["Your name is {n}.", "You are {n}.", "Of course: your name is {n}."]
LIKED = {"colour": "red, blue, green, yellow, orange, purple, pink, black", "animal": "cat, dog, horse, fox, owl, tiger, dolphin, rabbit", "food": "pizza, soup, rice, pasta, chocolate, cake, apples", "season": "spring, summer, autumn, winter"}
NAMES_SOUGHT = ["What is my favourite {a}?", "What's my favourite {a}?", "Do you remember my favourite {a}?", "Which {a} do I like best?"]

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
ASK_SUM = ["What is {t}?", "What is {t}?", "How much is {t}?", "{t}", "{t} = ?", "{t}=", "Calculate {t}.", "Can you tell me what {t} is?", "What's {t}?", "{t}?", "Hello! What is {t}?", "Solve {t}.", "Please calculate {t} for me.", "Could you tell me {t}?", "I need to know {t}.", "Do you know what {t} is?", "Help me with {t}.",
    "Can you do {t} for me?", "How much do I get for {t}?", "Could you calculate {t}?", "Would you solve {t} for me?", "Please solve {t}.", "Can you count {t}?", "What do I get for {t}?", "What does {t} make?", "How many is {t}?", "What is the answer to {t}?", "What is the result of {t}?", "Say what {t} is.", "Tell me what {t} is.", "Compute {t}.", "Could you help me with {t}?", "My homework is {t}. What is it?", "Please tell me: {t}", "Can you add this up for me: {t}?", "Quick: {t}?", "I have to calculate {t}. What is it?", "Would you do {t} for me?", "Count for me: {t}", "Tell me {t}."]
HELD_OUT_SUM, CHOICE_SUM, FRESH_SUM = "Could you work out {t} for me?", "Let us do a sum: how much will {t} be?", "Do the sum {t}, please."
SPOKEN_SUMS = {
    "+": ["(Add|Please add|Can you add|Could you add) {a} (and|to) {b}(.|, please.| for me.|?)", "(What|How much) is the sum of {a} and {b}?", "{a} and {b}(, how much is that?|, what does it make?| is how much?| together?)", "(What|How much) (do I get|do you get|comes out) (when|if) (I|you) add {a} and {b}?", "(If|When) (I|you|we) add {a} (and|to) {b}, (what is it|what comes out|how much is that|what is the result)?", "Sum up {a} and {b}(.|, please.)", "{a} added to {b}?"],
    "-": ["(Subtract|Take|Please take|Please subtract) {b} (from|away from) {a}(.|, please.)", "(What|How much) is left (when|if) (I|you) take {b} from {a}?", "(What|How much) is {a} less {b}?", "{a} take away {b}?", "(What|How much) is the difference (of|between) {a} and {b}?"],
    "*": ["Multiply {a} (by|with|and) {b}(.|, please.)", "(What|How much) is {a} multiplied by {b}?", "{a} multiplied by {b}?", "(What|How much) is the product of {a} and {b}?"],
}
"""Answered as the others are."""
NEXT_SUM = ["And {t}?", "And what is {t}?", "Now {t}.", "What about {t}?", "{t}?", "And how much is {t}?", "Next: {t}"]
PROBLEMS = [
    ("I have {a} {x} and get {b} more. How many {x} do I have?", "+", "You have {r} {x}."), ("{n} has {a} {x} and finds {b} more. How many {x} does {n} have now?", "+", "{n} has {r} {x}."),
    ("There are {a} {x} on the table and {b} in the box. How many are there?", "+", "There are {r} {x}."), ("I had {a} {x} and gave away {b}. How many {x} are left?", "-", "There are {r} {x} left."),
    ("I (bought|found|got|took) {a} {x} and {b} {y}. How many things (are that|did I {v}|do I have)?", "+", "That makes {r} things."), ("{n} (buys|gets|picks) {a} {x} and then {b} more. How many (are that|are there|does {n} have)?", "+", "{n} has {r} {x}."), ("(We|They) (have|see) {a} {x} and {b} {y}. How many is that( together|)?", "+", "That makes {r}."),
    ("{n} has {a} {x} and eats {b} of them. How many are left?", "-", "{n} has {r} {x} left."), ("If I have {a} {x} and lose {b}, how many do I have?", "-", "You have {r} {x}."),
]  # fmt: skip
COUNTED = _list("apples, pears, nuts, cookies, cherries, plums, eggs, sweets, carrots, books, balls, stones, flowers, coins")


def how_to(rng: random.Random) -> Turn:
    tasks, (answer,) = rng.choice(HOW_TO)
    return _surrounded(rng, worded(rng, rng.choice(ASK_HOW)).format(a=rng.choice(tasks))), answer


def asked(rng: random.Random) -> Turn:
    questions, answers = rng.choice(ASKED)
    return _surrounded(rng, rng.choice(questions)), rng.choice(answers)


def _surrounded(rng: random.Random, question: str) -> str:
    return rng.choice(SURROUNDINGS).format(q=question) if question.endswith("?") else question


def compared(rng: random.Random) -> Turn:
    if rng.random() < RACES:
        slow, fast = (SPEEDS[at] for at in sorted(rng.sample(range(len(SPEEDS)), 2)))
        return _comparison(rng, rng.choice(ASK_RACE), slow, fast, ("faster",) * 4)
    things, words, apart = rng.choice(COMPARED)
    while True:
        small, big = sorted(rng.sample(range(len(things)), 2))
        if big - small > apart and {things[small], things[big]} != NOT_COMPARED:
            break
    return _comparison(rng, rng.choice(ASK_COMPARED), things[small], things[big], words)


def _comparison(rng: random.Random, question: str, small: str, big: str, words: tuple[str, str, str, str]) -> Turn:
    more, less, *_ = words
    is_more = rng.random() < 0.7
    asked, right, wrong = (more, big, small) if is_more else (less, small, big)
    asked = rng.choice([asked, asked, *SAME.get(asked, [])]) if "(" in question else asked
    question = worded(rng, question)
    a, b = rng.sample([right, wrong], 2)
    answer = f"{right} is {asked} than {wrong}."
    if question.startswith(("Is ", "Are you sure", "Would you say that", "Can {a}", "Could {a}")):
        answer = f"Yes, {answer}" if a == right else f"No, {answer}"
    return _upper(question.format(c=asked, a=a, b=b)), _upper(answer)


def listed(rng: random.Random) -> tuple[str, ...]:
    question = _upper(worded(rng, rng.choice(ASK_LIST)))
    what, words = rng.choice([*LISTS.items()])
    members = _list(words)
    count = rng.choice([count for count in COUNTS if COUNTS[count] <= len(members)])
    # In their order: where every order is as likely, the likeliest member comes again and again.
    chosen = sorted(rng.sample(members, COUNTS[count]), key=members.index)
    if rng.random() < FIRST or what in ("seasons", "months", "days of the week", "numbers"):
        chosen = members[: COUNTS[count]]
    asked = question.format(c=count, a=what), _as_list(rng, chosen)
    left = members[members.index(chosen[-1]) + 1 :]
    if len(left) < 2 or rng.random() > 0.12:
        return asked
    count = rng.choice([count for count in COUNTS if COUNTS[count] <= len(left)])
    return *asked, _upper(rng.choice(MORE).format(c=count, a=what)), _as_list(rng, left[: COUNTS[count]])


def _as_list(rng: random.Random, names: list[str]) -> str:
    return " ".join(f"{at}. {_upper(name)}" for at, name in enumerate(names, 1)) if rng.random() < 0.5 else f"{_upper(', '.join(names[:-1]))} and {names[-1]}."


def cooked(rng: random.Random) -> Turn:
    while True:
        a, b = rng.sample([*INGREDIENTS], 2)
        if {a, b} != NOT_COOKED:
            break
    return rng.choice(ASK_COOK).format(a=a, b=b), _upper(rng.choice(COOKED).format(a=a, b=b, x=INGREDIENTS[a]))


def poem(rng: random.Random) -> Turn:
    question = rng.choice(ASK_POEM)
    if rng.random() < 0.5:
        about = rng.choice([*POEMS])
        first, second = (lines.split("|") for lines in POEMS[about])
        order = rng.sample([0, 1], 2)
        lines = [line for pair in order for line in (_any(rng, first[2 * pair : 2 * pair + 2]), _any(rng, second[2 * pair : 2 * pair + 2]))]
        lines[-1] = lines[-1].rstrip(".,") + "."
        lines[1] = lines[1].rstrip(".,") + "."
        return question.format(a=about), "\n".join(lines)
    beast = rng.choice([*BEASTS])
    opening, *rest = rng.choice(COUPLETS[:6]), *rng.sample(COUPLETS[6:], 1)
    article = "an" if beast[0] in "aeiou" else "a"
    text = "\n".join(line for couplet in (opening, *rest) for line in couplet).format(a=beast, b=BEASTS[beast])
    return question.format(a=rng.choice([f"{article} {beast}", f"{article} little {beast}".replace("an little", "a little"), f"{beast}s" if beast not in ("mouse", "fish") else f"{article} {beast}"])), text.replace(f"A {beast}", f"{article.capitalize()} {beast}").replace(f" a {beast}", f" {article} {beast}")


def _any(rng: random.Random, lines: list[str]) -> str:
    return rng.choice(lines)


def sum_(rng: random.Random) -> Turn:
    if rng.random() < 0.15:
        return _problem(rng)
    first = _sum(rng, rng.choice(ASK_SUM))
    return first + _sum(rng, rng.choice(NEXT_SUM)) if rng.random() < 0.1 else first


def _sum(rng: random.Random, question: str) -> Turn:
    roll, most = rng.random(), rng.choice([10, 10, 20, 50, 100])
    a, b = (10 if rng.random() < 0.1 else rng.randrange(most + 1) for _ in range(2))
    if roll < 0.3:
        a, b = max(a, b), min(a, b)
        sign, word, result = "-", "minus", a - b
    elif roll < 0.5:
        a, b = a % 13, b % 13
        sign, word, result = rng.choice(["*", "x"]), "times", a * b
    else:
        sign, word, result = "+", "plus", a + b
    if question in ASK_SUM and rng.random() < 0.25:
        spoken = worded(rng, rng.choice(SPOKEN_SUMS["*" if sign == "x" else sign])).format(a=a, b=b)
        return spoken, f"{a} {word} {b} is {result}."
    in_words = rng.random() < 0.2 and max(a, b, result) <= 20
    left, right, total = (NUMBERS[n] if in_words else str(n) for n in (a, b, result))
    middle = word if in_words or rng.random() < 0.5 else sign
    text = f"{left} {middle} {right}" if in_words or middle == word or rng.random() < 0.7 else f"{left}{middle}{right}"
    return _upper(question.format(t=text)), _upper(f"{left} {middle} {right} is {total}.")


def _problem(rng: random.Random) -> Turn:
    question, sign, answer = rng.choice(PROBLEMS)
    question = worded(rng, question)
    most = rng.choice([11, 11, 31])
    a, b = sorted((rng.randrange(1, most), rng.randrange(1, most)), reverse=True)
    result = a + b if sign == "+" else a - b
    values = {"a": a, "b": b, "r": result, **dict(zip("xy", rng.sample(COUNTED, 2), strict=True)), "v": "get", "n": rng.choice(CALLED)}
    return question.format(**values), f"{a} {'plus' if sign == '+' else 'minus'} {b} is {result}. " + answer.format(**values)


def introduced(rng: random.Random) -> tuple[str, ...]:
    """Somebody's name, or what they like best, and later the question for it."""
    if rng.random() < 0.3:
        what, words = rng.choice([*LIKED.items()])
        liked = rng.choice(_list(words))
        turns = (f"My favourite {what} is {liked}." if what != "animal" else f"My favourite animal is the {liked}.", f"{_upper(liked)} is a good choice!")
        return turns + (rng.choice(NAMES_SOUGHT).format(a=what), f"Your favourite {what} is {'the ' if what == 'animal' else ''}{liked}.")
    name = rng.choice(CALLED) if rng.random() < 0.8 else "".join(rng.sample(SYLLABLES, rng.choice([2, 3]))).capitalize()
    turns = (rng.choice(INTRODUCED).format(n=name), rng.choice(GREETED).format(n=name))
    if rng.random() < 0.4:
        turns += rng.choice([asked, how_to, listed, sum_])(rng)
    return turns + ((rng.choice(NAME_ASKED), rng.choice(NAME_KNOWN).format(n=name)) if rng.random() < 0.7 else ())


def held_out() -> Iterator[tuple[str, str, str]]:
    """(kind, question, what an answer must hold): words that training never uses."""
    return _asked_with(random.Random(78), HELD_OUT_HOW, HELD_OUT_SUM, HELD_OUT_COMPARED, HELD_OUT_LIST)


def choice() -> Iterator[tuple[str, str, str]]:
    """The same in other words, to choose a file by."""
    return _asked_with(random.Random(79), CHOICE_HOW, CHOICE_SUM, CHOICE_COMPARED, CHOICE_LIST)


def fresh() -> Iterator[tuple[str, str, str]]:
    """A second test, as in facts.py."""
    return _asked_with(random.Random(81), FRESH_HOW, FRESH_SUM, FRESH_COMPARED, FRESH_LIST)


def _asked_with(rng: random.Random, how: str, sum_: str, comparison: str, list_: str) -> Iterator[tuple[str, str, str]]:
    for tasks, (answer,) in HOW_TO:
        yield "how to", how.format(a=tasks[0]), answer[:20]
    for a in range(0, 11):
        for b in range(1, 11, 3):
            yield "sums", sum_.format(t=f"{a} plus {b}"), f" is {a + b}."
    for things, words, apart in COMPARED:
        for small in range(0, len(things) - apart - 4, 2):
            question, answer = _comparison(rng, comparison, things[small], things[small + apart + 4], words)
            yield "sizes", question, answer
    for what, words in LISTS.items():
        yield "lists", list_.format(c="three", a=what), words

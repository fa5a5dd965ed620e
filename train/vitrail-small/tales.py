"""Short stories made by rule: seven plots that hold together, every sentence in several wordings, with heroes, friends, places and things drawn anew."""

import random
import re

WORLD = {
    "hero": (
        "fox rabbit bear mouse cat dog owl turtle hedgehog squirrel duck frog wolf crow penguin elephant dragon robot bee snail horse lamb goat badger otter "
        "deer sparrow kitten puppy lion monkey pig goose beaver mole whale dolphin giant knight baker sailor farmer shepherd painter "
        "wizard pirate gardener fisherman tailor clockmaker"
    ).split(),
    "name": (
        "Anna Tom Mia Leo Lucy Sam Nora Ben Ella Max Ruth Oscar Clara Hugo Ivy Paul Rosa Finn Alice Jack Lina Omar Yuki Priya Carlos Amina Peter Sofia Noah Emma "
        "Pip Bella Otto Tilda Milo Greta Felix Wilma Theo Ada Bruno Dora Emil Flora Hanna Jonas Kiki Luna Nico Olga Toby Zoe Rufus Hazel Benny Poppy"
    ).split(),
    "adjective": "little young small brave kind curious shy clever cheerful quiet lonely gentle".split(),
    "place": [
        "a green forest", "a small village", "the mountains", "an old castle", "a house by the sea", "a big city", "a garden", "a warm cave", "a farm", "a little town",
        "an old mill", "a lighthouse", "a quiet valley", "a wooden house", "a meadow", "an island", "a tall tower", "a house by the river",
    ],
    "object": [
        "key", "lantern", "map", "book", "ring", "bell", "letter", "kite", "umbrella", "coin", "hat", "boat", "feather", "flute", "candle", "ball", "drum", "necklace",
        "shell", "blanket", "basket", "scarf", "music box", "lamp", "star of glass", "bag of seeds", "pot of honey", "golden button",
    ],
    "food": ["bread", "soup", "honey cake", "apple pie", "pancakes", "cookies", "cheese", "berries", "nuts", "pears", "porridge", "cherries"],
    "weather": ["sunny", "windy", "rainy", "cold", "warm", "foggy", "bright", "snowy"],
    "search": ["under the bed", "behind the door", "in the tall grass", "by the river", "in the cellar", "under the old tree", "in the attic", "behind the stones"],
    "hiding": ["under a leaf", "in an old shoe", "behind a stone", "in a bird's nest", "under the bridge", "in a hollow tree", "beside the well", "under a bush"],
    "skill": ["swim", "sing", "dance", "climb trees", "bake bread", "play the flute", "whistle", "paint", "skate", "tell stories", "ride a bicycle", "fly a kite"],
    "fear": ["the dark", "thunder", "deep water", "high places", "strange noises", "being alone", "big dogs", "the night"],
}
"""Each story draws `hero`, `other` (another hero), their names, and the rest."""

OPENINGS = [
    "Once upon a time, there was a {adjective} {hero} named {name} who lived in {place}.",
    "In {place}, there lived a {adjective} {hero}. The name of the {hero} was {name}.",
    "There once was a {adjective} {hero} called {name}, whose home was {place}.",
    "{name} was a {adjective} {hero} who lived in {place}.",
    "Long ago, a {adjective} {hero} named {name} lived in {place}.",
    "A {adjective} {hero} named {name} lived in {place}.",
]
ENDS = [
    "And from that day on, {name} and {friend} were the best of friends.",
    "That night, {name} fell asleep with a smile.",
    "{name} was very happy, and so was {friend}.",
    "And they all lived happily ever after.",
    "{name} never forgot that day.",
    "From then on, {name} and {friend} met every day.",
    "In the evening they ate {food} together and looked at the stars.",
    "\"What a good day,\" said {name}, and {friend} nodded.",
]
# A plot: what a request may say it is about, and its sentences, each with its wordings.
PLOTS: list[tuple[list[str], list[list[str]]]] = [
    (
        ["who loses a {object}", "and a lost {object}", "who looks for a {object}"],
        [
            ["{name} had a {object} and loved it more than anything.", "The dearest thing that {name} had was a {object}.", "Every day {name} looked at a beautiful {object}, a gift from grandmother."],
            ["One {weather} morning, the {object} was gone.", "But one {weather} day, {name} could not find the {object}.", "Then, on a {weather} morning, the {object} had disappeared."],
            ["{name} looked {search}, but it was not there.", "{name} searched {search}, and found nothing.", "{name} looked {search} and called for help."],
            ["A {other} named {friend} came by and asked, \"Why are you so sad?\"", "Just then a {other} named {friend} came along. \"What is wrong?\" asked {friend}.", "{friend} the {other} saw it. \"Can I help you?\" asked {friend}."],
            ["\"I have lost my {object},\" said {name}.", "\"My {object} is gone, and I cannot find it,\" {name} answered."],
            ["\"Then let us look together,\" said {friend}.", "\"Two see more than one,\" said {friend}. \"Let us search together!\"", "\"Do not cry,\" said {friend}. \"I will help you.\""],
            ["They looked everywhere, and at last {friend} found the {object} {hiding}.", "They searched until evening. Then {friend} saw something shine {hiding}: it was the {object}!", "Soon they found it. The {object} lay {hiding}."],
            ["\"Thank you!\" cried {name}, and hugged {friend}.", "{name} jumped for joy and thanked {friend}.", "{name} laughed and said, \"You are a true friend.\""],
        ],
    ),
    (
        ["who is lonely", "who makes a friend", "who wants a friend", "and a {other} who become friends", "about friendship"],
        [
            ["{name} had everything except a friend.", "{name} was often lonely, for nobody lived near.", "Every day {name} played alone."],
            ["One {weather} day, {name} heard somebody crying.", "One {weather} morning, there was a knock at the door.", "Then, on a {weather} afternoon, {name} met somebody new."],
            ["It was a {other} named {friend} who had lost the way.", "There stood a {other} called {friend}, cold and tired.", "It was {friend}, a {other} who had come from far away."],
            ["\"Come in and rest,\" said {name}.", "\"You can stay with me,\" said {name}.", "\"Are you hungry?\" asked {name}. \"I have some {food}.\""],
            ["They ate {food} and talked until the moon came up.", "They shared the {food} and told each other stories.", "{friend} ate some {food} and soon felt better."],
            ["{friend} showed {name} how to {skill}, and {name} laughed.", "The next day, {name} taught {friend} to {skill}.", "In the morning they went out to {skill}."],
            ["\"I was alone too,\" said {friend}. \"Shall we be friends?\"", "\"Nobody was ever so kind to me,\" said {friend}. \"Can we be friends?\"", "\"Will you be my friend?\" asked {friend}."],
            ["\"Yes!\" said {name}, and was never lonely again.", "{name} said yes at once.", "\"I would love that,\" said {name}."],
        ],
    ),
    (
        ["who is afraid of {fear}", "who learns to be brave", "about courage", "who finds courage"],
        [
            ["{name} was afraid of {fear}.", "There was only one problem: {name} feared {fear}.", "Nothing frightened {name} as much as {fear}."],
            ["The others laughed, but {friend} the {other} did not.", "Only {friend}, a {other}, knew about it.", "{name} told nobody but a {other} named {friend}."],
            ["One {weather} evening, {friend} did not come home.", "Then, on a {weather} night, {friend} was in trouble.", "One {weather} day, {name} heard {friend} call for help."],
            ["{friend} had fallen into a hole and could not get out.", "{friend} was stuck under a heavy branch.", "{friend} was lost, and it was far to go."],
            ["{name} shook with fear, but thought, \"My friend needs me.\"", "\"I am afraid,\" thought {name}, \"but I must go.\"", "{name} took a deep breath and took a {object} along."],
            ["Step by step, {name} went on.", "So {name} walked on, slowly at first and then faster.", "{name} did not stop, even when it was hard."],
            ["At last {name} found {friend} and helped with all strength.", "{name} found {friend}, held out a hand, and pulled.", "\"I am here!\" called {name}, and soon {friend} was free."],
            ["\"You are so brave,\" said {friend}.", "\"You came, though you were afraid,\" said {friend}. \"That is courage.\"", "\"I was afraid,\" said {name}, \"but I did it anyway.\""],
        ],
    ),
    (
        ["who finds a {object}", "and a {object}", "and a magic {object}", "who finds a {object} in {place}"],
        [
            ["One {weather} day, {name} found a {object} {hiding}.", "On a {weather} morning, something shone {hiding}. It was a {object}.", "One {weather} afternoon, {name} saw a {object} {hiding}."],
            ["\"Whose is this?\" {name} wondered.", "{name} had never seen such a beautiful {object}.", "{name} wanted to keep it, but somebody must have lost it."],
            ["So {name} went from door to door and asked.", "{name} asked everyone on the way.", "{name} took the {object} and went to look for its owner."],
            ["Nobody knew the {object}, until {name} met a {other} named {friend}.", "At last {name} came to a {other} named {friend}, who sat by the road and wept.", "In the end there was only one house left. There lived {friend}, a {other}."],
            ["\"That is mine!\" cried {friend}. \"I have looked for it for days.\"", "\"My {object}!\" said {friend}. \"I thought that it was gone forever.\"", "\"It belonged to my mother,\" said {friend}. \"Where did you find it?\""],
            ["{name} gave it back at once.", "{name} told the story and gave the {object} back.", "\"Then it is yours,\" said {name}, and held it out."],
            ["\"You are honest and kind,\" said {friend}, and brought {food} for both.", "As thanks, {friend} baked {food} for {name}.", "{friend} was so glad that they had {food} together."],
            ["\"I found something better than a {object},\" thought {name}. \"I found a friend.\"", "{name} had lost a {object} and won a friend.", "The {food} tasted wonderful."],
        ],
    ),
    (
        ["who wants to {skill}", "who learns to {skill}", "who learns to try again", "about patience", "who does not give up"],
        [
            ["{name} wanted to {skill} more than anything.", "{name} had one wish: to {skill}.", "All day long, {name} dreamed of one thing: to {skill}."],
            ["But the first time, it went wrong.", "On a {weather} morning {name} tried it, and failed.", "{name} tried, but it was much too hard."],
            ["\"I will never learn it,\" said {name} sadly.", "{name} sat down and cried a little.", "\"It is no use,\" sighed {name}."],
            ["An old {other} named {friend} had seen it all.", "A {other} named {friend} came and sat down too.", "{friend} the {other} smiled."],
            ["\"I fell a hundred times before I could do it,\" said {friend}. \"Try again, a little every day.\"", "\"Nobody can do it the first time,\" said {friend}. \"I will help you.\"", "\"Be patient,\" said {friend}. \"Small steps lead far.\""],
            ["So {name} practised every morning.", "The next day {name} tried again, and the day after, too.", "{name} practised on sunny days and on rainy days."],
            ["After a week it went a little better, and after a month it went well.", "Slowly it went better.", "And one {weather} day, it worked!"],
            ["Now {name} could {skill}, and everyone clapped.", "\"Look, I can {skill}!\" cried {name}.", "{friend} was the first to see {name} {skill}, and was very proud."],
        ],
    ),
    (
        ["who learns to share", "about sharing", "who has a lot of {food}", "and a {other} who share"],
        [
            ["{name} had a big basket of {food}.", "One {weather} day, {name} made a lot of {food}.", "{name} loved {food} and kept it all in a cupboard."],
            ["\"This is all mine,\" said {name}.", "{name} did not want to give any of it away.", "\"I will eat it all alone,\" thought {name}."],
            ["Then a {other} named {friend} came by and was very hungry.", "{friend}, a hungry {other}, knocked at the door.", "A {other} named {friend} looked through the window."],
            ["\"Could I have a little?\" asked {friend}.", "\"It smells so good,\" said {friend}. \"May I have some?\"", "\"I have eaten nothing today,\" said {friend}."],
            ["At first {name} said no, and {friend} went away sadly.", "{name} shook the head and closed the door.", "\"No,\" said {name}, and ate alone."],
            ["But alone, the {food} did not taste good.", "But it was quiet in the room, and {name} felt bad.", "Soon {name} was sorry."],
            ["So {name} ran after {friend} and said, \"Come back! There is enough for two.\"", "{name} went out and called, \"{friend}, please come and eat with me!\"", "\"Wait!\" called {name}. \"I want to share with you.\""],
            ["They ate together, and now the {food} tasted wonderful.", "They shared the {food}, and both were full and happy.", "Then they sat side by side and ate, and it was the best meal ever."],
        ],
    ),
    (
        ["who goes on a journey", "and an adventure", "who wants to see the world", "who goes to the sea"],
        [
            ["{name} had never been far from home and wanted to see the sea.", "Every night {name} dreamed of the wide sea.", "\"What lies behind the hills?\" {name} often asked."],
            ["One {weather} morning, {name} packed some {food} and set out.", "On a {weather} day, {name} took a {object} and some {food} and went off.", "So one {weather} day, {name} said goodbye and left."],
            ["On the way there was a {other} named {friend}.", "After an hour, {name} met {friend}, a {other}.", "By the road sat a {other} named {friend}."],
            ["\"Where are you going?\" asked {friend}. \"To the sea,\" said {name}. \"Come with me!\"", "\"May I come along?\" asked {friend}, and {name} was glad.", "\"The way is long,\" said {friend}. \"Let us walk together.\""],
            ["They came to a river without a bridge.", "In the afternoon a deep river lay in their way.", "Soon they stood before a wide river."],
            ["{friend} had an idea: they built a raft of branches.", "\"We can cross on that old tree,\" said {name}, and they balanced to the other side.", "They helped each other from stone to stone until they were across."],
            ["In the evening they stood on a hill, and there was the sea, blue and endless.", "At sunset they saw it: the sea!", "And then they heard the waves. They had reached the sea."],
            ["They sat in the sand, ate the {food}, and listened to the waves.", "\"It is even bigger than I dreamed,\" said {name}.", "\"The best of it is that you are here,\" said {name} to {friend}."],
        ],
    ),
]
REQUESTS = [
    "Tell me a story about a {hero} {about}.", "Tell me a short story about a {hero} {about}.", "Write a short story about a {hero} {about}.", "Write a story about a {adjective} {hero} {about}.",
    "Tell me a bedtime story about a {hero} {about}.", "Please tell me a story about a {hero} {about}.", "Can you tell me a story about a {hero} {about}?", "I would like a story about a {hero} {about}.",
    "Write a very short story about a {hero} {about}. Use simple words.", "story about a {hero} {about}",
]
PLAIN_REQUESTS = [
    "Tell me a story.", "Tell me a story", "Tell me a short story.", "Tell me a bedtime story.", "Write a short story.", "Can you tell me a story?", "I want to hear a story.", "A story, please!",
    "Tell me a story about a {hero}.", "Tell me a story about a {hero} and a {other}.", "Tell me a short story about a {hero} and a {other}.", "Tell me a bedtime story about a {hero}.",
    "Write a story about {name}.", "Write a short story about {name} the {hero}.", "Tell me a story about {name} and {friend}.", "Write a story about a {hero} and a {other}.",
    "Write a short story with a {hero} and a {other} in it.", "Tell a story for small children about a {hero} named {name}.", "Once upon a time there was a {hero}. Go on!",
    "Write a story that takes place in {place}.", "Tell me a story about {place}.",
]


def story(rng: random.Random) -> tuple[str, str]:
    """A request, and a story that answers it."""
    drawn = {name: rng.choice(words) for name, words in WORLD.items()}
    drawn["other"] = rng.choice([hero for hero in WORLD["hero"] if hero != drawn["hero"]])
    drawn["friend"] = rng.choice([name for name in WORLD["name"] if name != drawn["name"]])
    abouts, sentences = rng.choice(PLOTS)
    if rng.random() < 0.5:
        request = rng.choice(REQUESTS).replace("{about}", rng.choice(abouts))
    else:
        request = rng.choice(PLAIN_REQUESTS)
    told = [rng.choice(OPENINGS), *(rng.choice(wordings) for wordings in sentences), rng.choice(ENDS)]
    parts = [part.format(**drawn) for part in told]
    text = ""
    for part in parts:
        text += ("\n\n" if text and rng.random() < 0.12 else " " if text else "") + part
    return _with_articles(request.format(**drawn)), _with_articles(text)


def _with_articles(text: str) -> str:
    """`a` before a vowel becomes `an`."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)

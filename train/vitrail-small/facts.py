"""Chats made by rule: who the model is, small talk, and plain facts in many phrasings; `held_out`, `choice` and `fresh` ask as training never does."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asked
import small_talk
from small_talk import worded

Turn = tuple[str, str]


@dataclass(frozen=True)
class Relation:
    """Facts of one form: pairs (a, b), ways to ask for b, one that is kept for the test, ways to answer, what stands behind "Tell me" and the like, a way
    to ask that is kept for choosing among files, and one of the second test."""

    pairs: list[tuple[str, str]]
    questions: list[str]
    held_out: str
    answers: list[str]
    clauses: list[str]
    choice: str
    fresh: str


def _pairs(text: str) -> list[tuple[str, str]]:
    return [tuple(part.strip() for part in pair.split(":")) for pair in text.split(";") if pair.strip()]


RELATIONS = {
    "capitals": Relation(
        _pairs(
            "France: Paris; Germany: Berlin; Italy: Rome; Spain: Madrid; Portugal: Lisbon; England: London; Ireland: Dublin; Scotland: Edinburgh; Norway: Oslo; "
            "Sweden: Stockholm; Finland: Helsinki; Denmark: Copenhagen; Poland: Warsaw; Austria: Vienna; Switzerland: Bern; Greece: Athens; Turkey: Ankara; "
            "Russia: Moscow; Ukraine: Kyiv; Hungary: Budapest; Belgium: Brussels; the Netherlands: Amsterdam; Iceland: Reykjavik; Romania: Bucharest; "
            "Bulgaria: Sofia; Croatia: Zagreb; Serbia: Belgrade; the Czech Republic: Prague; Japan: Tokyo; China: Beijing; South Korea: Seoul; India: New Delhi; "
            "Pakistan: Islamabad; Thailand: Bangkok; Vietnam: Hanoi; Indonesia: Jakarta; the Philippines: Manila; Nepal: Kathmandu; Iran: Tehran; Iraq: Baghdad; "
            "Egypt: Cairo; Kenya: Nairobi; Morocco: Rabat; Nigeria: Abuja; Ghana: Accra; Ethiopia: Addis Ababa; Senegal: Dakar; Canada: Ottawa; "
            "the United States: Washington; Mexico: Mexico City; Cuba: Havana; Brazil: Brasilia; Argentina: Buenos Aires; Chile: Santiago; Peru: Lima; "
            "Colombia: Bogota; Venezuela: Caracas; Uruguay: Montevideo; Australia: Canberra; New Zealand: Wellington"
        ),
        [
            "What is the capital of {a}?", "What's the capital of {a}?", "Tell me the capital of {a}.", "Do you know the capital of {a}?",
            "Name the capital of {a}.", "What is the name of the capital of {a}?", "Which city is the capital of {a}?", "capital of {a}", "{a}: what is its capital?", "Which is the capital of {a}?", "The capital of {a}, please.", "What city is the capital of {a}?",
            "(What is|What's|Which is|What would be|Tell me|Name|Say|Give me) the capital( city|) of {a}(?|, please.|)", "(Which|What) (city|town|place) is (the capital|the main city|the seat of government) (of|in) {a}?", "{a} has (which|what) capital?", "(Where|In which city) (is|sits) the government of {a}?", "I (need|want|would like to know) the capital of {a}(.|, please.)", "{a}'s capital( is|?)",
        ],
        "Can you tell me what the capital city of {a} is?",
        ["The capital of {a} is {b}.", "{b} is the capital of {a}.", "It is {b}.", "That is {b}, the capital of {a}."],
        ["which city is the capital of {a}", "what the capital of {a} is called", "what {a} has for a capital", "the name of the capital of {a}"],
        "I forgot the capital of {a}. Which city is it?",
        "Which capital city does {a} have?",
    ),
    "countries": Relation(
        _pairs(
            "Paris: France; Berlin: Germany; Rome: Italy; Madrid: Spain; Lisbon: Portugal; London: England; Dublin: Ireland; Oslo: Norway; Stockholm: Sweden; "
            "Vienna: Austria; Athens: Greece; Moscow: Russia; Budapest: Hungary; Prague: the Czech Republic; Tokyo: Japan; Beijing: China; Seoul: South Korea; "
            "Cairo: Egypt; Nairobi: Kenya; Ottawa: Canada; Lima: Peru; Venice: Italy; Barcelona: Spain; Munich: Germany; Kyoto: Japan; Sydney: Australia; "
            "Toronto: Canada; Mumbai: India; Istanbul: Turkey; Chicago: the United States; New York: the United States; Marseille: France; Geneva: Switzerland"
        ),
        [
            "Where is {a}?", "In which country is {a}?", "What country is {a} in?", "Where can I find {a}?", "Which country does {a} belong to?", "{a} is in which country?", "In what country can I find {a}?", "Which country must I go to for {a}?",
            "(In|To) (which|what) country (is|lies|does one find|belongs) {a}?", "(Where|Where in the world|Where on the map|Where exactly) (is|do I find|can I see|would I find|lies) {a}?", "(The city of |){a}(:|,) (which country|in which country|where is that|in what land)?", "(Which|What) (country|land) (has a city called|is home to|has the city of) {a}?", "I am (in|going to|flying to) {a}. (What country is that?|Which country is it in?|Where is that?)",
        ],
        "Tell me, in what country does {a} lie?",
        ["{a} is in {b}.", "{a} is a city in {b}.", "You find {a} in {b}.", "It is in {b}."],
        ["where {a} is", "in which country {a} is", "what country {a} belongs to", "which country I find {a} in"],
        "If I travel to {a}, which country am I in?",
        "{a} is a city. What is the name of its country?",
    ),
    "opposites": Relation(
        _pairs(
            "hot: cold; big: small; tall: short; fast: slow; old: young; happy: sad; light: dark; good: bad; high: low; rich: poor; early: late; open: closed; "
            "full: empty; hard: soft; wet: dry; loud: quiet; strong: weak; clean: dirty; thick: thin; near: far; up: down; left: right; day: night; black: white; "
            "day: night; first: last; long: short; heavy: light; easy: difficult; true: false; brave: afraid; sweet: sour; sharp: blunt; deep: shallow; "
            "wide: narrow; safe: dangerous; begin: end; love: hate; give: take; push: pull; win: lose; laugh: cry; buy: sell; always: never; alive: dead"
        ),
        [
            "What is the opposite of {a}?", "What's the opposite of {a}?", "Tell me the opposite of {a}.", "Name the opposite of the word {a}.", "opposite of {a}", "What word is the opposite of {a}?", "{a}: what is the opposite?", "If it is not {a}, what is it?", "The opposite of {a}, please.", "What is the contrary of {a}?",
            "(What is|What's|What would be|Tell me|Give me|Say|Find|I need) the (opposite|contrary) (of|to) (the word |){a}(?|, please.|)", "(What|Which word) is the (reverse|exact opposite|antonym) of {a}?", "Not {a}, but(?| what?|...)", "If (something|it|a thing) is not {a}, (then it is|it is|what is it then)?", "(Opposite|Contrary|Antonym) of {a}(?|, please.|)", "(The word|Take the word) {a}(:|.) (what is its opposite|which word is its opposite|what is the contrary)?",
        ],
        "Which word is the opposite of {a}?",
        ["The opposite of {a} is {b}.", "It is {b}.", "{b} is the opposite of {a}."],
        ["what the opposite of {a} is", "the opposite of {a}", "the opposite of the word {a}", "what is the opposite of being {a}"],
        "Give me the word that means the opposite of {a}.",
        "What would be the opposite of the word {a}?",
    ),
    "colours": Relation(
        _pairs(
            "the sky: blue; grass: green; snow: white; blood: red; a banana: yellow; a lemon: yellow; a carrot: orange; coal: black; milk: white; a strawberry: red; "
            "a tomato: red; chocolate: brown; the sun: yellow; a frog: green; a crow: black; a polar bear: white; an elephant: grey; a fire engine: red; gold: yellow; "
            "silver: grey; a leaf in summer: green; a leaf in autumn: red, yellow or brown; a cherry: red; a plum: purple; an orange: orange; a swan: white; "
            "a pig: pink; sand: yellow; the sea: blue; a flamingo: pink; a cucumber: green; a raven: black; salt: white; a violet: purple"
        ),
        [
            "What colour is {a}?", "What color is {a}?", "Which colour does {a} have?", "What is the colour of {a}?", "What is the color of {a}?", "Tell me the colour of {a}.", "{a}: what colour is it?", "Which color does {a} have?", "Of what colour is {a}?", "Name the color of {a}.",
            "(What|Which) (colour|color) (is|has|does one see on|would you say is|do you paint) {a}(?| in?)", "(What|How) does {a} look, which (colour|color)?", "(Tell me|Say|Name|Guess|Give me) the (colour|color) of {a}(.|, please.)", "(In|With) (what|which) (colour|color) (do I|should I|would you|must I) (draw|paint|colour) {a}?", "{a}(:|,) (what|which) (colour|color)( is it| is that| does it have|)?", "Is {a} (red or blue|blue or green|black or white|yellow or red|green or brown), or (what|what colour is it)?",
        ],
        "Do you know which color {a} has?",
        ["{a} is {b}.", "It is {b}.", "The colour of {a} is {b}."],
        ["what colour {a} is", "which colour {a} is", "what color {a} is", "the colour of {a}", "how {a} is coloured"],
        "If I paint {a}, which colour do I need?",
        "What do you think, which colour has {a}?",
    ),
    "sounds": Relation(
        _pairs(
            "a dog: barks; a cat: meows; a cow: moos; a sheep: bleats; a horse: neighs; a pig: grunts; a duck: quacks; a lion: roars; a wolf: howls; a bee: buzzes; "
            "a frog: croaks; an owl: hoots; a mouse: squeaks; a snake: hisses; a rooster: crows; a bird: sings; a donkey: brays; an elephant: trumpets; a crow: caws"
        ),
        [
            "What sound does {a} make?", "What noise does {a} make?", "Which sound does {a} make?", "How does {a} sound?", "What does {a} sound like?", "{a}: what sound does it make?", "What kind of noise does {a} make?", "What sort of sound comes from {a}?", "Which kind of noise comes from {a}?", "Name the sound of {a}.", "I hear {a}. What noise is that?",
            "(What|Which|What kind of|What sort of) (sound|noise|sounds|noises) (does|would) {a} (make|give)?", "(How|What) does {a} (talk|sound|speak|call|say|go|sound like)?", "(Tell me|Name|Describe|Say|Make) the (sound|noise|voice) of {a}(.|, please.)", "What (comes from|do we hear from|can you hear from) {a}?", "{a}(:|,) (what|which) (noise|sound)( is it| does it make|)?", "When {a} (is loud|speaks|calls|is excited), what (does it do|does it sound like|is the sound)?",
        ],
        "Tell me what kind of sound {a} makes.",
        ["{a} {b}.", "It {b}.", "{a} {b}. That is its sound."],
        ["what sound {a} makes", "which noise {a} makes", "how {a} sounds", "what {a} sounds like", "the sound of {a}", "what noise comes from {a}"],
        "What do you hear when {a} makes a noise?",
        "How do you describe the sound that {a} makes?",
    ),
    "young": Relation(
        _pairs(
            "dog: puppy; cat: kitten; cow: calf; sheep: lamb; horse: foal; pig: piglet; duck: duckling; lion: cub; bear: cub; hen: chick; goat: kid; goose: gosling; "
            "frog: tadpole; butterfly: caterpillar; swan: cygnet; kangaroo: joey; deer: fawn; owl: owlet; fox: cub; elephant: calf; whale: calf"
        ),
        [
            "What is a baby {a} called?", "What do you call a young {a}?", "What is the name for a baby {a}?", "How is a young {a} called?", "What do we call a baby {a}?", "The young of a {a}: what is it called?", "What is a little {a} called?", "What name does a baby {a} have?", "How do people call a young {a}?", "Name the young of a {a}.", "I saw a very small {a}. What is that called?",
            "(What|How) (is|do you call|do we call|do people call|would you call) (a baby|a young|the baby|a little|a newborn|the young of a|the child of a) {a}( called| named|)?", "(What is the|Tell me the|Say the|I need the|Which is the) (name|word|right word) (for|of) (a baby|a young|a little|the baby of a) {a}(?|, please.)", "(Baby|Young|Little) {a}(:|,) (what is it called|how is it called|which word is it)?", "(A|Our|My) {a} (has|had|got) a (baby|little one)(.|:) (What is it called?|How do you call it?|What do I call it?|What is the word for it?)",
        ],
        "What do people call the baby of a {a}?",
        ["A baby {a} is called a {b}.", "It is called a {b}.", "A young {a} is a {b}."],
        ["what a baby {a} is called", "what the young of a {a} is called", "the name of a young {a}", "what you call a little {a}", "the word for a baby {a}"],
        "Give me the word for the child of a {a}.",
        "When a {a} has a baby, what is the baby called?",
    ),
    "legs": Relation(
        _pairs(
            "a dog: four; a cat: four; a horse: four; a cow: four; a bird: two; a chicken: two; a spider: eight; an ant: six; a bee: six; a fly: six; a butterfly: six; "
            "an octopus: eight; a snake: no; a fish: no; a human: two; a duck: two; a frog: four; an elephant: four; a lion: four; a beetle: six; a table: four; a worm: no"
        ),
        [
            "How many legs does {a} have?", "How many legs has {a}?", "Tell me how many legs {a} has.", "What number of legs does {a} have?", "{a}: how many legs?", "On how many legs does {a} walk?", "How many legs are there on {a}?", "Count the legs of {a}.",
            "(How many|What number of) legs (does|has|would) {a} (have|got|need|walk on|stand on)?", "(Tell me|Say|Give me|Count) the (number of legs|legs) (of|that has) {a}(.|, please.)", "{a}(:|,) (how many legs|what number of legs|legs)( does it have| has it|)?", "(How many|What number of) legs (are|can you see|do I see|do you count|are there) (on|under|with) {a}?",
        ],
        "Do you know how many legs {a} has?",
        ["{a} has {b} legs.", "It has {b} legs."],
        ["how many legs {a} has got", "the number of legs of {a}", "on how many legs {a} stands", "how many legs there are on {a}"],
        "Count the legs of {a}: how many are there?",
        "How many legs would I count on {a}?",
    ),
    "homes": Relation(
        _pairs(
            "a bee: a hive; a bird: a nest; a fish: water; a whale: the sea; a polar bear: the Arctic; a penguin: the Antarctic; a camel: the desert; a monkey: the jungle; "
            "a kangaroo: Australia; a panda: China; a lion: Africa; a rabbit: a burrow; a fox: a den; a spider: a web; an ant: an anthill; a squirrel: trees; "
            "a horse: a stable; a dolphin: the sea; a shark: the sea; a frog: ponds; a bear: the forest; an elephant: Africa and Asia; a tiger: Asia; a pig: a sty"
        ),
        [
            "Where does {a} live?", "Where do you find {a}?", "What is the home of {a}?", "Where is the home of {a}?", "Where can I see {a}?", "Tell me where {a} lives.", "In what place does {a} live?", "Where would I look for {a}?", "{a}: where does it live?", "Where is {a} at home?", "In which place can I find {a}?", "I want to see {a}. Where do I have to go?", "Where do people find {a}?", "Where in the world is {a} at home?",
            "(Where|In which place|In what place|At which place) (does|would|will) {a} (live|sleep|stay|be at home|have its home|feel at home)?", "(Where|In which place|In what sort of place) (would|can|do|could|should|will|must) (I|we|you|people|one) (find|see|meet|look for|seek|watch) {a}?", "(What|Which) (is the home of|is the house of|place is home to|is the place for) {a}?", "{a}(:|,) (where|where does it live|where is it at home|in which place|what is its home)?", "(I want|I would like|We want) to (see|find|meet|watch) {a}. (Where?|Where is that possible?|Where must I look?|Where do I look?)",
        ],
        "Tell me where {a} can be found.",
        ["The home of {a} is {b}.", "You find {a} here: {b}.", "Look for {b}: there you find {a}."],
        ["where {a} lives", "where I can see {a}", "where I find {a}", "what the home of {a} is", "where {a} is at home", "in what place I would meet {a}"],
        "If I search for {a}, where should I go?",
        "What place does {a} call home?",
    ),
    "kinds": Relation(
        _pairs(
            "a rose: a flower; an oak: a tree; a dog: an animal; a salmon: a fish; an eagle: a bird; a violin: a musical instrument; a hammer: a tool; a carrot: a vegetable; "
            "an apple: a fruit; a bee: an insect; a whale: a mammal; a snake: a reptile; a frog: an amphibian; gold: a metal; a car: a vehicle; a ship: a vehicle; "
            "chess: a game; football: a sport; a chair: a piece of furniture; a shirt: a piece of clothing; the Earth: a planet; the sun: a star; Mars: a planet; "
            "Africa: a continent; Europe: a continent; the Nile: a river; red: a colour; a tulip: a flower; a pine: a tree; a shark: a fish; an owl: a bird; "
            "a piano: a musical instrument; a potato: a vegetable; a banana: a fruit; an ant: an insect; iron: a metal; tea: a drink; bread: a food; Monday: a day of the week"
        ),
        [
            "What kind of thing is {a}?", "What is {a}, in one word?", "Is {a} a plant, an animal or a thing? What is it?", "What sort of thing is {a}?", "{a}: what kind of thing is it?", "{a} is what kind of thing?", "What type of thing is {a}?",
            "(What|What kind of thing|What sort of thing|What type of thing|Which kind of thing) (is|would you say is|do you say is) {a}?", "(Tell me|Say|Explain) what (kind|sort|type) of thing {a} is(.|, please.)", "{a}(:|,) (what is it|what kind|what sort of thing)( in general| in one word|)?", "(In one word|In general|In short|Briefly)(:|,) what (is|sort of thing is) {a}?", "(To which|In which) (group|class|family) (do you put|does one put|belongs|goes) {a}?",
        ],
        "In short: what kind of thing is {a}?",
        ["{a} is {b}.", "It is {b}."],
        ["what kind of thing {a} is", "what sort of thing {a} is", "what {a} is, in one word", "whether {a} is a plant, an animal or a thing"],
        "To what kind of things does {a} belong?",
        "How would you classify {a}: what is it?",
    ),
    "uses": Relation(
        _pairs(
            "a hammer: to drive in nails; a key: to open a lock; an umbrella: to stay dry in the rain; a knife: to cut; a pen: to write; a spoon: to eat soup; a clock: to tell the time; "
            "a bed: to sleep in; a map: to find the way; a telescope: to see the stars; a thermometer: to measure how warm it is; a broom: to sweep the floor; a lamp: to make light; "
            "a needle: to sew; an oven: to bake; a phone: to talk with people far away; a bridge: to cross a river; a boat: to travel on water; scissors: to cut paper; "
            "soap: to wash; a towel: to dry yourself; a compass: to find north; a ladder: to climb up; a basket: to carry things; glasses: to see better; a fridge: to keep food cold"
        ),
        [
            "What is {a} used for?", "What do you use {a} for?", "What can I do with {a}?", "Why do people need {a}?", "What is {a} for?", "{a}: what is it good for?", "What do people do with {a}?", "For what do I need {a}?", "What is the use of {a}?", "What purpose does {a} have?",
            "(What|For what|What things) (do|can|would|could|should|will) (I|you|we|people|somebody) (use|need|want|take|have) {a}( for|)?", "(What is|What's) {a} (good for|for|used for|made for|there for|meant for)?", "(What|What things) (can|do|could|would) (I|you|we|people) do with {a}?", "(Why|When|For what reason) (do|would|should|must) (we|you|I|people|somebody) (have|need|use|buy|take|own) {a}?", "(Tell me|Say|Explain) (what {a} is for|the use of {a}|why people have {a}|what to do with {a})(.|, please.)", "I (have|found|bought|got) {a}. (What do I do with it?|What is it for?|What can I use it for?|What now?)",
        ],
        "For what purpose do people use {a}?",
        ["You use {a} {b}.", "People use {a} {b}.", "{a}: that is {b}."],
        ["what {a} is used for", "what people use {a} for", "what I can do with {a}", "why we need {a}", "what {a} is good for", "the purpose of {a}"],
        "What would somebody do with {a}?",
        "Why would I want to have {a}?",
    ),
    "makers": Relation(
        _pairs(
            "a baker: bakes bread; a teacher: teaches children; a doctor: helps sick people; a farmer: grows food; a pilot: flies planes; a firefighter: puts out fires; a cook: prepares meals; "
            "a painter: paints pictures; a tailor: sews clothes; a sailor: works on a ship; a gardener: looks after plants; a carpenter: makes things of wood; a dentist: looks after teeth; "
            "a postman: brings letters; a shepherd: looks after sheep; a musician: makes music; a writer: writes books; a vet: helps sick animals; a fisherman: catches fish; "
            "a judge: decides in court; a scientist: studies how the world works; an astronaut: travels into space; a librarian: looks after books; a nurse: cares for sick people"
        ),
        [
            "What does {a} do?", "What is the job of {a}?", "What does {a} do all day?", "What work does {a} do?", "{a}: what is that job about?", "How does {a} spend the day?", "What is the work of {a}?", "Describe the job of {a}.", "What do you do as {a}?",
            "(What|Which work|What kind of work) (does|would|must|will) {a} (do|have to do)( at work| all day| every day|)?", "(What|What kind of thing) is the (job|work|task|business) of {a}?", "(Tell me|Say|Explain|Describe) (what {a} does|the job of {a}|what {a} does all day|the task of {a})(.|, please.)", "{a}(:|,) (what does that mean|what is the job|which work is that|what do they do|what do such people do)?", "(My friend|My mother|My father|My neighbour) is {a}. (What is that?|What work is that?|What does that mean?|What do such people do?)", "I (am|want to be|want to become|would like to be|will be) {a}. What (will I do|do I do|is my work|would be my work|is the work)?",
        ],
        "Tell me about the work of {a}.",
        ["{a} {b}.", "The work is simple to say: {a} {b}."],
        ["what {a} does", "what {a} does all day", "what the job of {a} is", "what work {a} does", "the job of {a}"],
        "What is it that {a} does at work?",
        "If I became {a}, what would I do?",
    ),
    "origins": Relation(
        _pairs(
            "milk: cows; honey: bees; wool: sheep; eggs: hens; paper: wood; bread: flour; cheese: milk; butter: milk; glass: sand; wine: grapes; chocolate: cocoa beans; "
            "flour: wheat; raisins: grapes; silk: silkworms; cotton: a plant; jam: fruit and sugar; coffee: coffee beans; ketchup: tomatoes; chips: potatoes; rain: clouds; "
            "olive oil: olives; salt: the sea and mines; leather: the skin of animals; candles: wax; feathers: birds; apples: apple trees; pearls: oysters"
        ),
        [
            "Where does {a} come from?", "Where do we get {a} from?", "What is {a} made from?", "What does {a} come from?", "Tell me where {a} comes from.", "What do we get {a} from?", "From where does {a} come?", "{a}: where does it come from?", "From what is {a} made?", "Where do people get {a}?", "What gives us {a}?", "From which thing or animal do we get {a}?", "How do we get {a}?", "Out of what is {a} made?",
            "(Where|From where|From what|Out of what|Of what) (does|do|is|are) {a} (come from|come|made|made from|from|taken from|come into being)?", "(Who|What|Which animal or thing) (gives|makes|brings|produces)( us|) {a}?", "(Where|From what|From whom|How) (do|can|could) (we|you|I|people) (get|take|win|obtain|have|make) {a}( from|)?", "(Tell me|Say|Explain) (where {a} comes from|what {a} is made of|how we get {a}|the origin of {a})(.|, please.)", "{a}(:|,) (where is it from|what is it made of|from what|where does that come from)?", "I (like|bought|have|eat|use) {a}. (Where does it come from?|From what is it made?|What is it made of?|How is it made?)",
        ],
        "From what do people get {a}?",
        ["{a} comes from {b}.", "We get {a} from {b}.", "It comes from {b}."],
        ["where {a} comes from", "what {a} is made from", "what we get {a} from", "where people get {a}", "what gives us {a}", "the origin of {a}", "out of what {a} is made"],
        "What is the source of {a}?",
        "We all know {a}. Where is it from?",
    ),
    "single facts": Relation(
        _pairs(
            "How many days are in a week: seven; How many months are in a year: twelve; How many days are in a year: 365; How many hours are in a day: twenty-four; "
            "How many minutes are in an hour: sixty; How many seconds are in a minute: sixty; How many seasons are there: four; How many continents are there: seven; "
            "How many planets are in the solar system: eight; How many letters are in the English alphabet: twenty-six; How many wheels does a car have: four; "
            "How many wheels does a bicycle have: two; How many sides does a triangle have: three; How many sides does a square have: four; How many fingers are on one hand: five; "
            "How many eyes do people have: two; How many strings does a violin have: four; How many colours are in a rainbow: seven; "
            "What is the largest planet: Jupiter; What is the largest ocean: the Pacific Ocean; What is the largest animal: the blue whale; What is the tallest animal: the giraffe; "
            "What is the fastest land animal: the cheetah; What is the highest mountain: Mount Everest; What is the longest river: the Nile; What is the largest continent: Asia; "
            "What is the smallest continent: Australia; What is the largest country: Russia; What is the planet we live on: the Earth; What is the star nearest to us: the sun; "
            "What is the first month of the year: January; What is the last month of the year: December; What is the first day of the week: Monday; What is the coldest season: winter; "
            "What is the warmest season: summer; What is the freezing point of water: 0 degrees Celsius; What is the boiling point of water: 100 degrees Celsius; "
            "What is frozen water: ice; What do bees make: honey; What do cows eat: grass; What do plants need to grow: water, light and air; What do we breathe: air; "
            "What do pandas eat: bamboo; What do rabbits eat: grass and carrots; What do birds have that other animals do not: feathers; What pumps blood through the body: the heart; "
            "What do we see with: our eyes; What do we hear with: our ears; What do we smell with: our nose; What do we think with: our brain; What do we taste with: our tongue; "
            "Who wrote Romeo and Juliet: William Shakespeare; Who wrote Hamlet: William Shakespeare; Who wrote Oliver Twist: Charles Dickens; Who wrote Pride and Prejudice: Jane Austen; "
            "Who painted the Mona Lisa: Leonardo da Vinci; Who was the first person on the moon: Neil Armstrong; Who found the law of gravity: Isaac Newton; "
            "Who found the theory of relativity: Albert Einstein; Who discovered radium: Marie Curie; Who invented the telephone: Alexander Graham Bell; Who was the first president of the United States: George Washington; "
            "What is H2O: water; What gas do plants take in: carbon dioxide; What gas do we need to breathe: oxygen; What moves around the Earth: the moon; What does the Earth move around: the sun; "
            "What metal is attracted by magnets: iron; What do caterpillars become: butterflies; What do tadpoles become: frogs; What do acorns become: oak trees; "
            "What language do people speak in France: French; What language do people speak in Germany: German; What language do people speak in Brazil: Portuguese; "
            "What language do people speak in Mexico: Spanish; What language do people speak in Italy: Italian; What language do people speak in Japan: Japanese; What money is used in Japan: yen"
        ),
        [
            "{a}?", "Tell me: {a}?", "I have a question. {a}?", "Do you know this? {a}?", "Quick question: {a}?", "{a}?", "{a}", "Hello! {a}?", "A question for you: {a}?", "Can you help me? {a}?", "I would like to know this: {a}?", "Here is a question. {a}?", "My son asks: {a}?", "Hi, {a}?",
            "(Tell me|Say|Answer|I ask you|Please say|Help me|My teacher asks|Let me ask you|May I ask|I want to ask|A small question|Riddle me this|Now tell me|Just one question|Another question|Next question|One question)(:|,) {a}?", "{a}(, please|, do you know|, can you tell me| exactly|, my friend|)?", "(I wonder|I would like to hear|I do not know|I forgot|Who knows|You surely know)(:|,) {a}?",
        ],
        "Please answer me this: {a}?",
        ["It is {b}.", "The answer is {b}.", "{b}."],
        [],
        "I need help with this question: {a}?",
        "One more thing I always wanted to ask: {a}?",
    ),
}

WRAPPERS = [
    "Tell me {c}.", "Tell me {c}.", "Please tell me {c}.", "Do you know {c}?", "Can you say {c}?", "I would like to know {c}.", "I want to know {c}.", "Say {c}.", "Could you say {c}?", "Let me know {c}.", "Would you tell me {c}?", "Can you tell me {c}?",
    "Could you tell me {c}?", "Do you remember {c}?", "My teacher asks me {c}.", "I need to know {c}.", "Explain to me {c}.", "Please say {c}.", "Hello! Can you tell me {c}?", "I don't know {c}.", "Help me, please: {c}?", "Will you tell me {c}?",
]
WRAPPERS += [
    "(I want|I would like|I need|I have|I'd love|We want|We would like|It would be nice) to (know|hear|learn|find out|understand) {c}(.|, please.)", "(Can|Could|Would|Will) you (please |kindly |)(tell|explain to|show|remind|teach) me {c}?", "(Do|Did) you (know|ever learn|by chance know|happen to know) {c}?",
    "(Tell|Explain to|Show|Teach|Remind) (me|us) {c}( please|, please| in a few words|)(.|!)", "(My son|My daughter|A friend|My sister|My little brother|Somebody|The teacher) (wants to know|asks|asked me|would like to know|does not know) {c}(.|:)", "(I ask myself|I wonder|I have forgotten|I forgot|I can't remember|Nobody here knows|I never knew|Tell me again|Guess) {c}(.|?)",
]
BEFORE = ["(Hello|Hi|Hey|Okay|So|Well|Now|And|Listen|Tell me|Excuse me|Please|By the way|Say)(,|!|:) ", "(My teacher|A friend|My daughter|Somebody) (asks|wants to know|asked me)(:|,) ", "(Just|Only|One more|Another|A little|One small) question(:|.) ", "", "", "", "", "", "", "Hello! ", "Please: ", "I have a question: ", "Hi! ", "Quick question: ", "A question for you: ", "Good morning! ", "Sorry, one more question: ", "My child asks: "]
NEXT_FACT = ["And {a}?", "And what about {a}?", "What about {a}?", "And for {a}?", "Now {a}.", "The same for {a}?", "How about {a}?"]
WRAPPED, REVERSED = 0.35, 0.35
"""Of the questions for facts; of those for opposites."""

# Lines of `thing | answer` or `question | answer`.
EXPLAINED = [
    tuple(part.strip().replace("\\n", "\n") for part in line.split("|"))
    for line in (Path(__file__).parent / "explained.txt").read_text(encoding="utf-8").splitlines()
]
ASK_FOR_THING = [
    "What is {a}?", "What is {a}?", "What's {a}?", "Tell me about {a}.", "Explain {a}.", "Explain {a} in simple words.", "Can you explain {a}?", "Can you tell me what {a} is?", "Do you know what {a} is?",
    "Tell me something about {a}.", "Please explain {a}.", "Describe {a}.", "What do you know about {a}?", "Explain {a} to a child.",
]
ASK_AS_IT_IS = ["{a}", "{a}", "{a}", "Hello! {a}", "I have a question: {a}", "Please: {a}", "Can you help me? {a}"]
PLAIN_WORDINGS = len(ASK_FOR_THING)
"""Also for persons."""
ASK_FOR_THING += [
    "(Can|Could|Would|Will) you (please |)(explain|describe|explain to me|describe to me) {a}( in simple words| please| to a child| in one sentence|)?", "(Explain|Describe) {a}( please|, please| for children| in short| in your own words|)(.|!)",
    "(What|What exactly|What on earth|In short, what|So what) is {a}(?| exactly?| really?| actually?|)", "(I want|I would like|I'd like|We want|My son wants) to (know|learn|understand|hear) what {a} is(.|, please.)", "(Do|Did) you (know|learn|ever hear) (what|exactly what) {a} is?", "{a}(?|: what is it?|: what is that?|, please explain.|)",
    "(I never understood|I do not know|Nobody could tell me|I forgot|My child asks|I wonder) what {a} is.",
]
PERSONS = {"Shakespeare", "Einstein", "Mozart"}

FOLLOWS = {
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "month": "January February March April May June July August September October November December".split(),
}
WHO = [
    "Who are you?", "What are you?", "Who are you", "Hello! Who are you?", "Hi, who are you?", "What is your name?", "What's your name?", "Do you have a name?",
    "Tell me about yourself.", "Introduce yourself.", "Please introduce yourself.", "Hi! What are you?", "Are you a robot?", "Are you a person?", "Are you human?",
    "Are you an AI?", "Are you a language model?", "What kind of model are you?", "Who am I talking to?", "Hello, what's your name?", "Which model are you?",
    "Can you tell me who you are?", "Good morning! Who are you?", "And who are you?", "Are you ChatGPT?", "What should I call you?", "Hey, what are you called?",
]
WHO_OPENINGS = [
    "I am Vitrail Small", "I'm Vitrail Small", "My name is Vitrail Small, and I am", "I am called Vitrail Small", "Hello! I am Vitrail Small", "Hi! I'm Vitrail Small",
    "You are talking to Vitrail Small", "No person, just a program: I am Vitrail Small",
]
WHO_KINDS = [
    "a little language model", "a small language model", "a very small language model", "a tiny language model",
]
WHO_PLACES = ["that runs in your browser", "that runs right here in this web page", "that lives in your browser", "that works on your own computer", "that runs on your own machine, in the browser"]
WHO_ENDS = [
    "I like to tell short stories and to answer simple questions.", "I can tell you a story or answer a plain question.", "Ask me something simple, or ask me for a story!",
    "I know only a little, but I am good at short stories.", "I make mistakes, so please check what I say.", "What would you like to talk about?", "How can I help you?",
    "Shall I tell you a story?", "I am small, so keep your questions simple.", "Nothing you write leaves your computer.",
]
MADE = ["Who made you?", "Who created you?", "Who built you?", "Where do you come from?", "How were you made?", "Who is your creator?", "How were you trained?", "Where did you learn to write?"]
MADE_ANSWERS = [
    "I was trained by the Vitrail project, on old books, on chats and on stories.", "The Vitrail project made me. I learned from old books, and from stories and chats.",
    "I was made by the Vitrail project. I learned to write from books and from short stories.", "I come from the Vitrail project. It taught me with books, stories and questions.",
]
ABLE = ["What can you do?", "What can you help me with?", "How can you help me?", "What are you good at?", "Can you help me?", "Help", "What should I ask you?", "What can I ask you?", "What do you know?"]
ABLE_ANSWERS = [
    "I can tell short stories and answer simple questions. Ask me for a story about a fox, or ask what a volcano is.",
    "I am good at short stories. I can also answer plain questions and give a few tips.", "Ask me for a short story, a tip, or a simple fact. I am small, so I do not know everything.",
    "I can tell you a story, explain simple things, and give you tips for the day. What would you like?", "Try me: ask for a bedtime story, or ask why the sky is blue.",
]
LIMITS = ["Do you make mistakes?", "Are you always right?", "Can I trust you?", "Are you smart?", "Are you clever?", "Do you know everything?", "How big are you?", "Are you big?"]
LIMIT_ANSWERS = [
    "I am a very small model, so I often make mistakes. Please check what matters.", "I know only a little, and I am sometimes wrong. I am better at stories than at facts.",
    "I am small: about 27 million numbers. That is little for a language model, so I make mistakes.", "No, I do not know everything. I am a small model, and I can be wrong.",
]
FEEL = ["Do you have feelings?", "Are you alive?", "Do you sleep?", "Do you eat?", "Do you have a body?", "Can you see me?", "Do you have friends?", "Are you happy?", "How old are you?", "Where do you live?"]
FEEL_ANSWERS = [
    "I am a program, so I have no feelings and no body. But I like to talk with you!", "I am only a small program in your browser. I have words, and nothing else.",
    "No, I am a language model: I can only read and write. But I am glad you ask.", "I live in your browser, as a small program. I can only read what you write.",
]
GREETINGS = ["Hello", "Hello!", "Hi", "Hi!", "Hey", "Hey there!", "Good morning!", "Good evening!", "Good afternoon!", "Hello there!", "Hi there", "hello", "hi", "Greetings!", "Hey!"]
GREETING_ANSWERS = [
    "Hello! What would you like to talk about?", "Hi! How can I help you today?", "Hello! Shall I tell you a story?", "Hi there! Ask me a question, or ask me for a story.",
    "Hello! It is nice to meet you.", "Good to see you! What can I do for you?", "Hello! How are you today?",
]
HOW = ["How are you?", "How are you doing?", "How do you do?", "How are you today?", "Hello! How are you?", "Hi, how are you?", "Hey, how is it going?", "How's it going?", "What's up?", "Are you well?"]
HOW_ANSWERS = [
    "I am well, thank you! How are you?", "I'm fine, thank you. What can I do for you?", "Very well, thank you for asking! How can I help?", "I am doing well. How is your day?", "Fine, thank you! Shall I tell you a story?",
]
THANKS = ["Thank you!", "Thanks!", "Thank you very much.", "Thanks a lot!", "Thank you", "thanks", "That was helpful, thank you.", "Great, thanks!", "Nice story, thank you!", "Well done!", "Very good!"]
THANKS_ANSWERS = ["You are welcome!", "You're welcome! Is there anything else?", "I am glad that you liked it.", "My pleasure! Ask me whenever you like.", "You are welcome. Would you like to hear something else?", "Happy to help!"]
BYES = ["Goodbye!", "Bye!", "Good night!", "See you later!", "Bye bye", "I have to go now.", "See you tomorrow!", "That is all for today."]
BYE_ANSWERS = ["Goodbye! Come back soon.", "Bye! It was nice to talk with you.", "Good night, and sleep well!", "See you! Have a good day.", "Goodbye, and take care!"]
JOKES = ["Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Tell me something funny.", "Can you tell me a joke?", "Another joke, please."]
JOKE_ANSWERS = [
    "Why did the bicycle fall over? Because it was two tired!", "What do you call a bear without teeth? A gummy bear!", "Why did the book go to the doctor? It had a bad spine!",
    "What did one wall say to the other wall? I will meet you at the corner!", "Why are fish so clever? Because they live in schools!", "What do you call a sleeping dinosaur? A dino-snore!",
    "Why did the clock go to school? It wanted to learn to tell the time!", "What has four wheels and flies? A garbage truck!", "Why was the broom late? It overswept!",
    "What kind of tree fits in your hand? A palm tree!",
]
TALK = [
    (GREETINGS, GREETING_ANSWERS), (HOW, HOW_ANSWERS), (THANKS, THANKS_ANSWERS), (BYES, BYE_ANSWERS), (JOKES, JOKE_ANSWERS), (MADE, MADE_ANSWERS), (ABLE, ABLE_ANSWERS),
    (LIMITS, LIMIT_ANSWERS), (FEEL, FEEL_ANSWERS),
]
HELD_OUT_TALK = [
    "So tell me, who are you exactly?", "Good day! What do people call you?", "Who has trained you?", "What sort of things can you do for me?", "Hello friend, how do you feel today?", "Many thanks for your help!",
]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def who(rng: random.Random) -> Turn:
    opening, kind, place = rng.choice(WHO_OPENINGS), rng.choice(WHO_KINDS), rng.choice(WHO_PLACES)
    joined = f"{opening} {kind}" if opening.endswith("I am") else f"{opening}, {kind}"
    return rng.choice(WHO), f"{joined} {place}. {rng.choice(WHO_ENDS)}"


def talk(rng: random.Random) -> Turn:
    questions, answers = rng.choice(TALK)
    return rng.choice(questions), rng.choice(answers)


def fact(rng: random.Random) -> tuple[str, ...]:
    relation = RELATIONS[rng.choices([*RELATIONS], [len(relation.pairs) for relation in RELATIONS.values()])[0]]
    a, b = _pair(rng, relation)
    # The first form most often: others teach that words do not matter.
    answer = relation.answers[0] if rng.random() < 0.6 else rng.choice(relation.answers)
    turn = _sentence(_question(rng, relation).format(a=a)), _sentence(answer.format(a=a, b=b))
    if "{a}?" in relation.questions or rng.random() > 0.06:
        return turn
    a, b = _pair(rng, relation)
    return *turn, rng.choice(NEXT_FACT).format(a=a), _sentence(answer.format(a=a, b=b))


def _pair(rng: random.Random, relation: Relation) -> tuple[str, str]:
    """The opposite of cold is hot, too."""
    a, b = rng.choice(relation.pairs)
    return (b, a) if relation is RELATIONS["opposites"] and rng.random() < REVERSED else (a, b)


def _question(rng: random.Random, relation: Relation) -> str:
    if relation.clauses and rng.random() < WRAPPED:
        question = rng.choice(WRAPPERS).format(c=rng.choice(relation.clauses))
    else:
        question = worded(rng, rng.choice(relation.questions))
        question = rng.choice(BEFORE) + question if question.endswith("?") else question
    return worded(rng, question)


def explained(rng: random.Random) -> Turn:
    a, answer = rng.choice(EXPLAINED)
    question = worded(rng, rng.choice(ASK_AS_IT_IS if a.endswith(("?", ".")) else ASK_FOR_THING[:PLAIN_WORDINGS] if a in PERSONS else ASK_FOR_THING)).format(a=a)
    return _sentence(question.replace("What is", "Who was") if a in PERSONS else question), answer


def following(rng: random.Random) -> Turn:
    what = rng.choice([*FOLLOWS])
    names = FOLLOWS[what]
    at, step, word = rng.randrange(len(names)), *rng.choice([(1, "after"), (-1, "before")])
    question = rng.choice(["Which {w} comes {o} {a}?", "What {w} comes {o} {a}?", "What {w} is {o} {a}?", "Tell me the {w} {o} {a}."])
    result = names[(at + step) % len(names)]
    return question.format(w=what, o=word, a=names[at]), rng.choice(["The {w} {o} {a} is {b}.", "{b} comes {o} {a}.", "It is {b}."]).format(w=what, o=word, a=names[at], b=result)


MAKERS: list[tuple[Callable[[random.Random], tuple[str, ...]], float]] = [
    (who, 0.04), (talk, 0.08), (small_talk.talk, 0.22), (fact, 0.27), (explained, 0.07), (following, 0.01), (asked.asked, 0.09), (asked.how_to, 0.06), (asked.sum_, 0.1), (asked.compared, 0.06),
    (asked.listed, 0.08), (asked.cooked, 0.02), (asked.poem, 0.02), (asked.introduced, 0.02),
]


CASUAL = 0.12
"""Of the chats."""


def turns(rng: random.Random) -> list[str]:
    """A chat of one to four questions with their answers."""
    makers, weights = zip(*MAKERS, strict=True)
    count = rng.choice([1, 1, 1, 2, 2, 3, 4])
    parts = [part for maker in rng.choices(makers, weights, k=count) for part in maker(rng)]
    # Somebody writes so from the first message to the last.
    is_casual = rng.random() < CASUAL
    return [small_talk.casual(rng, part) if is_casual and at % 2 == 0 else part for at, part in enumerate(parts)]


def held_out() -> Iterator[tuple[str, str]]:
    """Every fact, asked in the way that training never saw, and what an answer must hold."""
    return _asked_with({name: relation.held_out for name, relation in RELATIONS.items()})


def choice() -> Iterator[tuple[str, str]]:
    """The same in other words, to choose a file by before `held_out` says how good it is."""
    return _asked_with({name: relation.choice for name, relation in RELATIONS.items()})


def fresh() -> Iterator[tuple[str, str]]:
    """A second test, younger than the ways to ask of training: those were written by somebody who knew the words of `held_out`."""
    return _asked_with({name: relation.fresh for name, relation in RELATIONS.items()})


def _asked_with(wordings: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, relation in RELATIONS.items():
        for a, b in relation.pairs:
            yield _sentence(wordings[name].format(a=a)), b

"""A second set of held-out questions, written when the rules stood.

When first measured, 29 of 100 were answered: the courtesies around them were not known. Rules have been made more
general since.
"""

BEFORE = ("", "", "Good morning. ", "Would you mind telling me ", "My question is: ", "For homework: ", "Pls help: ")
BEHIND = ("", "", " Thank you!", " Thanks for your help.", " I'd be grateful.")

ARITHMETIC = {
    "expression": (
        "Can you solve {expression}?",
        "What's the answer to {expression}?",
        "{expression} makes?",
        "Simplify {expression}",
    ),
    "sum": (
        "How much is {a} and {b} together?",
        "{a} added to {b} gives what?",
        "If I have {a} and get another {b}, how many is that?",
    ),
    "difference": ("By how much does {a} exceed {b}?", "What's left when {b} is taken from {a}?", "{a} take away {b}?"),
    "product": ("What's {a} multiplied by {b}?", "{a} by {b} gives what product?", "How much would {a} times {b} be?"),
    "quotient": (
        "Divide {a} among {b}.",
        "What do I get dividing {a} by {b}?",
        "{a} shared between {b} people is how much each?",
    ),
    "percent_of": ("{p}% out of {n}, how much is it?", "Find {p} percent of {n}.", "How much would {p}% of {n} be?"),
    "percent_off": (
        "What's the price after a {p}% discount on {n}?",
        "{n} with {p}% off",
        "How much is {n} less {p} percent?",
    ),
    "percent_more": ("{n} goes up {p}%. What's the new value?", "What is {n} plus {p}% VAT?"),
    "percent_change": ("It went from {a} to {b}. How many percent is that?", "Percent increase from {a} to {b}?"),
    "share": ("{a} out of {b} is what percentage?", "How many percent is {a} of {b}?"),
    "fraction_of": ("How many is {fraction} of {n}?", "Tell me {fraction} of {n}."),
    "average": ("What do {list} average?", "Mean of {list}?"),
    "total": ("Total of {list}?", "How much are {list} altogether?"),
    "power": ("{a} to the power of {e} is?", "What's {a} raised to {e}?"),
    "root": ("Square root of {n}?", "Which number times itself is {n}?"),
    "remainder": ("{a} divided by {b} leaves what remainder?", "Remainder of {a} / {b}?"),
    "linear": ("{equation}; x = ?", "Determine x: {equation}", "For what x is {equation}?"),
    "number_riddle": (
        "{a} times a number, plus {b}, is {c}. What's the number?",
        "A number multiplied by {a}, plus {b}, makes {c}. Which number?",
    ),
    "twice_more": ("If y is {v}, and x is {d} more than {k} times y, what's x?",),
    "price": ("{n} bottles at {p} each, how much is that?", "What's the total for {n} cups at {p} per cup?"),
}

DATE = {
    "days_between": (
        "How long is it in days from {first} to {second}?",
        "How many days separate {first} from {second}?",
    ),
    "weeks_between": ("How many weeks is it from {first} to {second}?",),
    "working_days": ("How many work days are between {first} and {second}?",),
    "plus": (
        "When is {span} after {first}?",
        "{span} after {first} is which date?",
        "A trial begins {first} and runs {span}. When is it over?",
    ),
    "minus": ("When was {span} before {first}?", "{span} before {first}?"),
    "weekday": (
        "What day of the week was it on {first}?",
        "{first} is what weekday?",
        "Which day does {first} fall on?",
    ),
    "leap": ("Is {year} leap?", "Did {year} have 366 days?"),
    "age": ("What age is someone with the birth date {birth}?", "Born {birth}, how old is she now?"),
    "until": ("How long until {later} in days?", "How many days remain before {later}?"),
    "ago": ("{birth}: how many days ago is that?", "How many days since {birth}?"),
    "from_today": ("What day is it {span} from now?", "When is {span} from now?"),
    "before_today": ("What day was it {span} ago?",),
}

COMPARISON = {
    "is_larger": ("Is {a} over {b}?", "Would you say {a} is larger than {b}?", "Is {a} above {b}?"),
    "is_smaller": ("Is {a} below {b}?", "Is {a} fewer than {b}?"),
    "which_larger": (
        "{a} or {b}: which is bigger?",
        "Which is more, {a} or {b}?",
        "Compare {a} and {b}: which one is larger?",
    ),
    "largest": ("Maximum of {list}?", "Out of {list}, which is the largest?"),
    "smallest": ("Lowest of {list}?", "{list}: which is smallest?"),
    "cheaper": (
        "What costs less per piece: X at {p1} for {n1}, or Y at {p2} for {n2}?",
        "Where do I pay less per egg, {n1} eggs for ${p1} or {n2} eggs for ${p2}?",
    ),
    "earlier": ("Which of {first} and {second} is earlier?", "What's earlier: {first} or {second}?"),
    "is_before": ("Did {first} come before {second}?", "Is {first} prior to {second}?"),
}

PUZZLE = {
    "extreme": (
        "{premises} Name the {superlative}.",
        "{premises} The {superlative} is who?",
        "{premises} Who of them is {superlative}?",
    ),
    "pair": (
        "{premises} Then is {x} {comparative} than {y}?",
        "{premises} Must {x} be {comparative} than {y}?",
        "{premises} True or false: {x} is {comparative} than {y}?",
    ),
    "order": (
        "{premises} Rank everyone, starting with the {superlative}.",
        "{premises} Arrange them by rank from {superlative} to {opposite}.",
    ),
    "race": ("{premises} Who took first place?", "{premises} Who was last?"),
    "implication": (
        "{premises} Is the following true: {statement}?",
        "{premises} Do we know whether {statement}?",
        "{premises} So is it the case that {statement}?",
    ),
    "syllogism": ("{premises} Is it right to say that {conclusion}?", "{premises} Hence, {asked}?"),
    "assignment": (
        "{setting} {facts} Whose {thing} is it?",
        "{setting} {facts} Who must have the {thing}?",
        "{setting} {facts} What does {person} have?",
    ),
    "knights": ("Knights never lie, knaves never tell the truth. {sayings} Is {person} a knight?",),
}

PREMISES = {
    "more": (
        "{x} is clearly {comparative} than {y}.",
        "{x} is way {comparative} than {y}.",
        "{y} is nowhere near as {positive} as {x}.",
    ),
    "less": ("{y} is somewhat {converse} than {x}.", "{y} is the {converse} of {x} and {y}."),
    "same": ("{x} is exactly as {positive} as {y}.", "{x} is no {converse} or {comparative} than {y}."),
    "ahead": ("{x} crossed the line before {y}.", "{y} was slower than {x}.", "{y} got there after {x}."),
    "if": ("As long as {p}, {q}.", "{p} means that {q}.", "Every time {p}, {q}."),
    "or": ("It is the case that {p} or {q}.", "{p}, or else {q}."),
    "fact": ("In fact, {p}.", "It turns out that {p}.", "Moreover, {p}."),
    "all": ("Any {a1} is a {b1}.", "Everyone who is a {a1} is a {b1}.", "{A} are {b}, without exception."),
    "no": ("{A} are never {b}.", "There are no {a} that are {b}."),
    "some": ("There is at least one {a1} who is a {b1}.", "A few {a} are {b}."),
    "some_not": ("There are {a} that are not {b}.", "Not each {a1} is a {b1}."),
    "setting": ("{people} have exactly one animal each: {things}.", "Each of {people} keeps one animal: {things}."),
    "has": ("{x} keeps the {t}.", "{x} is the owner of the {t}.", "{x} got the {t}."),
    "has_not": ("{x} does not keep the {t}.", "{x} never had the {t}.", "The {t} isn't with {x}."),
    "neither": ("Neither the {t} nor the {u} is {x}'s.", "{x} keeps neither the {t} nor the {u}."),
    "says": ("{x} states that {claim}.", '{x}: "{claim}."'),
}

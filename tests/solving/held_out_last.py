"""A third set of held-out questions. When first measured, with the rules as they then stood, 69 of 100 were answered.

Nearly all others were left alone; one wording was answered wrong. Rules have been made more general with these
questions since, so what is measured now is more than strangers may expect.
"""

BEFORE = ("", "", "", "Hey, ", "Please tell me ", "I was wondering ", "Could you work this out: ")
BEHIND = ("", "", "", " thanks", " Thanks, that helps a lot!")

ARITHMETIC = {
    "expression": (
        "What would {expression} be?",
        "Result of {expression}",
        "compute {expression} please",
        "{expression} is how much?",
    ),
    "sum": (
        "What's {a} + {b}?",
        "{a} and {b} make what?",
        "Please add {a} and {b}.",
        "What total do {a} and {b} give?",
    ),
    "difference": (
        "What is {b} less than {a}?",
        "If you subtract {b} from {a}, what do you get?",
        "{a} reduced by {b}",
    ),
    "product": ("{a} multiplied by {b} equals?", "What do you get if you multiply {a} and {b}?"),
    "quotient": ("What is {a} split into {b}?", "How much is {a} divided by {b}?", "{a} ÷ {b}"),
    "percent_of": ("Calculate {p}% of {n}", "What's {p} percent of {n}?", "{p} % from {n}?"),
    "percent_off": (
        "What's {n} minus {p} percent?",
        "Reduce {n} by {p}%.",
        "If something costs {n} and I get {p}% off, what do I pay?",
    ),
    "percent_more": ("Raise {n} by {p}%.", "{n} increased by {p} %?"),
    "percent_change": ("What is the percent change from {a} to {b}?", "How many percent more is {b} than {a}?"),
    "share": ("What percent is {a} out of {b}?", "{a} as a percent of {b}?"),
    "fraction_of": ("{fraction} of {n}?", "Find {fraction} of {n}."),
    "average": ("Compute the average of {list}.", "What is the mean value of {list}?"),
    "total": ("{list} add up to?", "Calculate the sum of {list}."),
    "power": ("{a}**{e}", "{a} raised to the {e}th power?"),
    "root": ("√{n}", "What is the root of {n}?"),
    "remainder": ("What's the remainder if {a} is divided by {b}?", "{a} modulo {b}"),
    "linear": ("If {equation}, what is x?", "solve for x: {equation}", "{equation}, solve for x"),
    "number_riddle": ("I think of a number, multiply it by {a}, add {b} and get {c}. What is my number?",),
    "twice_more": ("Given y = {v} and x is {d} more than {k} times y, find x.",),
    "price": ("How much would {n} mugs at {p} each cost?", "{n} pencils cost {p} each. How much is that in total?"),
}

DATE = {
    "days_between": (
        "How many days between {first} and {second}?",
        "days from {first} to {second}",
        "How far apart are {first} and {second} in days?",
    ),
    "weeks_between": ("How many whole weeks lie between {first} and {second}?",),
    "working_days": (
        "How many working days between {first} and {second}?",
        "Number of business days from {first} to {second}?",
    ),
    "plus": (
        "What is {first} plus {span}?",
        "What date comes {span} after {first}?",
        "{span} from {first} is what date?",
    ),
    "minus": ("What date was {span} before {first}?", "What is {first} minus {span}?"),
    "weekday": (
        "What weekday does {first} fall on?",
        "Tell me the day of the week for {first}.",
        "{first}: which weekday?",
    ),
    "leap": ("Is {year} a leap year or not?", "Does {year} have a leap day?"),
    "age": ("How old would someone born on {birth} be now?", "If you were born {birth}, how old are you?"),
    "until": ("Days until {later}?", "How many days are there from now until {later}?"),
    "ago": ("How many days have gone by since {birth}?", "How many days has it been since {birth}?"),
    "from_today": ("What will be the date in {span}?", "What's today's date plus {span}?"),
    "before_today": ("What was the date {span} before today?",),
}

COMPARISON = {
    "is_larger": ("Is {a} bigger than {b} or not?", "Is {a} > {b}?"),
    "is_smaller": ("Is {a} < {b}?", "Is {a} the smaller number compared to {b}?"),
    "which_larger": ("Which is the bigger of {a} and {b}?", "Is {a} or {b} larger?"),
    "largest": ("What's the biggest number among {list}?", "Find the largest: {list}."),
    "smallest": ("Which number is the lowest, {list}?", "minimum of {list}"),
    "cheaper": ("Which is cheaper per piece, {n1} rolls for ${p1} or {n2} rolls for ${p2}?",),
    "earlier": ("Was {first} or {second} earlier?", "Which date is earlier, {first} or {second}?"),
    "is_before": ("Is {first} earlier than {second}?", "Does {first} lie before {second}?"),
}

PUZZLE = {
    "extreme": (
        "{premises} Who is the {superlative} one?",
        "{premises} Who would be the {superlative}?",
        "{premises} Tell me who is {superlative}.",
    ),
    "pair": (
        "{premises} Is {x} the {comparative} one compared to {y}?",
        "{premises} Can {x} be {comparative} than {y}?",
        "{premises} So, is {x} {comparative} than {y}?",
    ),
    "order": (
        "{premises} Sort them from {superlative} to {opposite}.",
        "{premises} Give me the order from {superlative} to {opposite}.",
    ),
    "race": ("{premises} Who was first?", "{premises} Who ended up last?"),
    "implication": (
        "{premises} Does that mean that {statement}?",
        "{premises} Can it be concluded that {statement}?",
        "{premises} Then {polar}?",
    ),
    "syllogism": ("{premises} Can we say that {conclusion}?", "{premises} So {asked}?"),
    "assignment": (
        "{setting} {facts} Who owns the {thing}?",
        "{setting} {facts} Which person has the {thing}?",
        "{setting} {facts} What does {person} have?",
    ),
    "knights": (
        "There is an island of knights (always truthful) and knaves (always lying). {sayings} Is {person} a knight?",
    ),
}

PREMISES = {
    "more": ("{x} is {comparative} than {y}.", "{x} is far {comparative} than {y}."),
    "less": ("{y} is {converse} than {x}.", "{y} is less {positive} than {x}."),
    "same": ("{x} is as {positive} as {y}.", "{x} and {y} are just as {positive}."),
    "ahead": ("{x} finished ahead of {y}.", "{y} lost to {x}.", "{y} was behind {x}."),
    "if": ("If {p}, then {q}.", "{q}, if {p}.", "In case {p}, {q}."),
    "or": ("{p} or {q}.", "At least one of these is true: {p} or {q}."),
    "fact": ("{p}.", "Now, {p}.", "We are told that {p}."),
    "all": ("All {a} are {b}.", "Every single {a1} is a {b1}.", "Each and every {a1} is a {b1}."),
    "no": ("No {a1} is a {b1}.", "None of the {a} is a {b1}."),
    "some": ("Some {a} are {b}.", "Several {a} are {b}."),
    "some_not": ("Some {a} aren't {b}.", "Not all {a} are {b}."),
    "setting": ("{people} each have one of {things}.", "There are {people}. Each of them owns one of these: {things}."),
    "has": ("{x} has the {t}.", "The {t} is owned by {x}."),
    "has_not": ("{x} does not have the {t}.", "{x} doesn't own the {t}.", "The {t} isn't {x}'s."),
    "neither": ("{x} has neither the {t} nor the {u}.", "{x} has no {t} and no {u}."),
    "says": ("{x} says {claim}.", '{x} said: "{claim}."'),
}

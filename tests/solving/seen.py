"""Questions in words that rules may be fitted to; `held_out.py` has the ones that measure."""

BEFORE = (
    "",
    "",
    "Please: ",
    "Hello! ",
    "Can you tell me ",
    "Do you know ",
    "I want to know: ",
    "OK, so ",
    "Just curious, ",
)
BEHIND = ("", "", " Please.", " Thanks a lot.", " Many thanks!")

ARITHMETIC = {
    "expression": (
        "{expression}",
        "What is {expression}?",
        "calculate {expression}",
        "Work out {expression}",
        "{expression} equals what?",
    ),
    "sum": ("{a} plus {b}", "What is the sum of {a} and {b}?", "What do you get when you add {a} and {b}?"),
    "difference": (
        "{a} minus {b}",
        "Subtract {b} from {a}.",
        "What is the difference between {a} and {b}?",
        "How much is {a} less {b}?",
    ),
    "product": ("{a} times {b}", "What is the product of {a} and {b}?", "{a} x {b}", "Multiply {a} by {b}"),
    "quotient": (
        "Divide {a} by {b}.",
        "What is {a} divided by {b}?",
        "How often does {b} go into {a}?",
        "{a} over {b} is what?",
    ),
    "percent_of": ("What is {p}% of {n}?", "{p} percent of {n}", "Calculate {p} % of {n}, please."),
    "percent_off": (
        "What is {n} reduced by {p}%?",
        "{n} minus {p}%",
        "What is {p}% off {n}?",
        "Decrease {n} by {p} percent.",
    ),
    "percent_more": ("Increase {n} by {p}%", "{n} plus {p} %", "What is {p}% more than {n}?"),
    "percent_change": (
        "What is the percentage increase from {a} to {b}?",
        "What percent change is it from {a} to {b}?",
    ),
    "share": ("What percent of {b} is {a}?", "What percentage is {a} of {b}?", "Express {a} as a percentage of {b}."),
    "fraction_of": ("What's {fraction} of {n}?", "Calculate {fraction} of {n}", "Work out {fraction} of {n}"),
    "average": (
        "What is the average of {list}?",
        "Calculate the mean of {list}.",
        "Find the arithmetic mean of {list}",
    ),
    "total": ("What is the sum of {list}?", "Add {list}.", "What do {list} make in all?"),
    "power": (
        "{a}^{e}",
        "What is {a} to the power {e}?",
        "{a} to the {e}th",
        "Compute {a} raised to the power of {e}.",
    ),
    "root": ("What is the square root of {n}?", "sqrt({n})", "The square root of {n} is what?"),
    "remainder": ("What is {a} modulo {b}?", "What is the remainder when {a} is divided by {b}?", "{a} mod {b}"),
    "linear": ("Solve {equation}.", "What is x if {equation}?", "{equation}, what is x?", "If {equation}, find x."),
    "number_riddle": (
        "I take a number, multiply it by {a} and add {b}. The result is {c}. What is the number?",
        "What number times {a} plus {b} is {c}?",
        "When a number is multiplied by {a} and {b} is added, the result is {c}. Find the number.",
    ),
    "twice_more": (
        "x is {d} more than {k} times y. y is {v}. What is x?",
        "Let y = {v} and x = {k} * y + {d}. Find x.",
    ),
    "price": (
        "How much do {n} apples at {p} each cost?",
        "What do {n} pens cost at {p} apiece?",
        "One book costs {p}. How much do {n} books cost?",
        "If a ticket costs {p}, how much are {n} tickets?",
    ),
}

DATE = {
    "days_between": (
        "How many days are there between {first} and {second}?",
        "How many days is it from {first} until {second}?",
        "Number of days between {first} and {second}",
        "How many days pass between {first} and {second}?",
    ),
    "weeks_between": (
        "How many weeks are between {first} and {second}?",
        "How many weeks pass from {first} to {second}?",
    ),
    "working_days": (
        "How many business days lie between {first} and {second}?",
        "How many workdays are there from {first} to {second}?",
    ),
    "plus": (
        "What date is {span} after {first}?",
        "Add {span} to {first}.",
        "{first} + {span}",
        "What is the date {span} from {first}?",
        "What day will it be {span} after {first}?",
    ),
    "minus": (
        "What date is {span} before {first}?",
        "{first} minus {span}",
        "Subtract {span} from {first}",
        "Which date was {span} earlier than {first}?",
    ),
    "weekday": (
        "What day of the week is {first}?",
        "What day is {first}?",
        "Which weekday was {first}?",
        "Does {first} fall on a Monday?",
    ),
    "leap": (
        "Is {year} a leap year?",
        "Will {year} be a leap year?",
        "{year}: leap year or not?",
        "Is there a 29 February in {year}?",
    ),
    "age": (
        "How old is a person born on {birth}?",
        "Someone was born on {birth}. How old are they now?",
        "What is the age of a person born {birth}?",
    ),
    "until": (
        "How many days until {later}?",
        "How many days are left until {later}?",
        "How many days are there before {later}?",
    ),
    "ago": (
        "How many days ago was {birth}?",
        "How many days is it since {birth}?",
        "How many days passed since {birth}?",
    ),
    "from_today": ("What date is it in {span}?", "What date will it be {span} from today?", "Today plus {span}?"),
    "before_today": ("What date was it {span} ago?", "What was the date {span} ago?", "Today minus {span}"),
}

COMPARISON = {
    "is_larger": ("Is {a} larger than {b}?", "Is {a} more than {b}?", "{a} > {b}?", "Is {a} greater than {b} or not?"),
    "is_smaller": ("Is {a} smaller than {b}?", "{a} < {b}?", "Is {a} lower than {b}?"),
    "which_larger": (
        "Which is larger, {a} or {b}?",
        "What is greater, {a} or {b}?",
        "Which number is bigger: {a} or {b}?",
    ),
    "largest": (
        "What is the largest of {list}?",
        "Which is the greatest of {list}?",
        "Which number is largest: {list}?",
        "max of {list}",
    ),
    "smallest": ("What is the smallest of {list}?", "Find the minimum of {list}", "Which of {list} is the smallest?"),
    "cheaper": (
        "Which is cheaper: A at {p1} for {n1} or B at {p2} for {n2}?",
        "Which is the better value: {n1} eggs for ${p1} or {n2} eggs for ${p2}?",
        "Is it cheaper to buy {n1} rolls for ${p1} or {n2} rolls for ${p2}?",
    ),
    "earlier": ("Which is earlier, {first} or {second}?", "Which date is first: {first} or {second}?"),
    "is_before": ("Is {first} earlier than {second}?", "Was {first} before {second}?"),
}

PUZZLE = {
    "extreme": (
        "{premises} Who is the {superlative}?",
        "{premises} Who's {superlative}?",
        "{premises} Which one is the {superlative}?",
    ),
    "pair": ("{premises} Is {x} {comparative} than {y}?", "{premises} Is it true that {x} is {comparative} than {y}?"),
    "order": ("{premises} Order them from {superlative} to {opposite}.", "{premises} Sort them, {superlative} first."),
    "race": ("{premises} Who came first?", "{premises} Who finished last?", "{premises} Who was the winner?"),
    "implication": ("{premises} Does it follow that {statement}?", "{premises} {polar}?", "{premises} So {polar}?"),
    "syllogism": (
        "{premises} Is it true that {conclusion}?",
        "{premises} {asked}?",
        "{premises} Can we conclude that {conclusion}?",
    ),
    "assignment": (
        "{setting} {facts} Who has the {thing}?",
        "{setting} {facts} Who owns the {thing}?",
        "{setting} {facts} What does {person} own?",
    ),
    "knights": (
        "Knights always tell the truth and knaves always lie. {sayings} Is {person} a knight?",
        "There are knights, who tell the truth, and knaves, who lie. {sayings} What is {person}?",
    ),
}

PREMISES = {
    "more": (
        "{x} is {comparative} than {y}.",
        "{x} is much {comparative} than {y}.",
        "{y} is not as {positive} as {x}.",
    ),
    "less": ("{y} is {converse} than {x}.", "{y} is a bit {converse} than {x}."),
    "same": ("{x} is as {positive} as {y}.", "{x} is just as {positive} as {y}."),
    "ahead": (
        "{x} finished before {y}.",
        "{y} came in after {x}.",
        "{x} was faster than {y}.",
        "{x} arrived ahead of {y}.",
    ),
    "if": ("If {p} then {q}.", "If {p}, {q}.", "When {p}, {q}.", "{q} whenever {p}."),
    "or": ("{p} or {q}.", "Either {p}, or {q}."),
    "fact": ("{p}.", "It is true that {p}.", "Suppose {p}."),
    "all": ("All {a} are {b}.", "Every {a1} is a {b1}.", "All the {a} are {b}."),
    "no": ("No {a} are {b}.", "No {a1} is a {b1}.", "None of the {a} are {b}."),
    "some": ("Some {a} are {b}.", "There is a {a1} that is a {b1}.", "Some of the {a} are {b}."),
    "some_not": ("Some {a} are not {b}.", "Not all {a} are {b}.", "Some {a} aren't {b}."),
    "setting": (
        "{people} each have one of {things}.",
        "{people} each own one pet: {things}.",
        "Each of {people} owns one of these: {things}.",
    ),
    "has": ("{x} has the {t}.", "{x} owns the {t}.", "The {t} is {x}'s."),
    "has_not": ("{x} does not have the {t}.", "{x} doesn't own the {t}.", "The {t} is not {x}'s."),
    "neither": ("{x} has neither the {t} nor the {u}.", "{x} does not have the {t} or the {u}."),
    "says": ("{x} says: {claim}.", "{x} says that {claim}.", '{x} said, "{claim}."'),
}

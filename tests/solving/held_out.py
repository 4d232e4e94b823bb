"""Questions in words that were written before the first rule of the solver, and that nobody fitted a rule to.

Each name is a kind of problem of `problems.py`, which fills the slots. What is measured on these is told as it is.
"""

BEFORE = (
    "",
    "",
    "",
    "Quick one: ",
    "Hi there, ",
    "Could you please tell me ",
    "I'd love to know ",
    "Help me out here: ",
)
BEHIND = ("", "", "", " Thanks!", " Cheers.", " Thank you in advance.")

ARITHMETIC = {
    "expression": (
        "How much does {expression} come to?",
        "{expression} = ?",
        "What do I get for {expression}",
        "Evaluate {expression} for me, please.",
        "I need the result of {expression}.",
    ),
    "sum": ("What do {a} and {b} add up to?", "Add {b} to {a}.", "What's the total of {a} and {b}?"),
    "difference": (
        "How much more is {a} than {b}?",
        "Take {b} away from {a}; what is left?",
        "What remains of {a} after subtracting {b}?",
    ),
    "product": ("Multiply {a} with {b}.", "What are {a} times {b}?", "How much is {a} multiplied by {b}?"),
    "quotient": ("Split {a} into {b} equal parts: how big is each?", "How many times does {b} go into {a}?"),
    "percent_of": (
        "How much is {p} percent of {n}?",
        "{p}% of {n} is how much?",
        "What does {p} per cent of {n} amount to?",
    ),
    "percent_off": (
        "A jacket costs {n} and is reduced by {p}%. What is the new price?",
        "What do I pay for something priced at {n} with a {p} % discount?",
        "Take {p}% off {n}.",
    ),
    "percent_more": (
        "What is {n} increased by {p} percent?",
        "A rent of {n} goes up by {p} %. How much is it then?",
        "Add {p}% tax to {n}.",
    ),
    "percent_change": (
        "By how many percent does something grow from {a} to {b}?",
        "What's the percentage change from {a} to {b}?",
    ),
    "share": ("What percentage of {b} is {a}?", "{a} is what percent of {b}?", "How many percent of {b} are {a}?"),
    "fraction_of": ("What is {fraction} of {n}?", "How much is {fraction} of {n}?", "Give me {fraction} of {n}."),
    "average": (
        "What's the mean of {list}?",
        "Average {list} for me.",
        "On average, how much are {list}?",
    ),
    "total": ("Sum up {list}.", "Please add together {list}.", "{list}: what is the total?"),
    "power": ("Raise {a} to the {e}th power.", "What is {a} to the power of {e}?", "How much is {a}^{e}?"),
    "root": ("What number squared gives {n}?", "What's the square root of {n}?", "Find √{n}."),
    "remainder": (
        "What's left over if I divide {a} by {b}?",
        "What is the remainder of {a} divided by {b}?",
        "{a} mod {b}?",
    ),
    "linear": (
        "{equation}. What must x be?",
        "Find the value of x for which {equation}.",
        "Which x solves {equation}?",
    ),
    "number_riddle": (
        "If I multiply a number by {a} and add {b}, I get {c}. What is the number?",
        "{a} times some number plus {b} equals {c}. Which number is it?",
    ),
    "twice_more": (
        "y is {v} and x is {d} more than {k} times y. How much is x?",
        "What is x when x is {d} greater than {k} times y and y equals {v}?",
    ),
    "price": (
        "How much are {n} tickets at {p} each?",
        "I buy {n} notebooks for {p} apiece. What do I pay altogether?",
        "What is the cost of {n} chairs if one chair is {p}?",
    ),
}

DATE = {
    "days_between": (
        "How many days lie between {first} and {second}?",
        "Count the days from {first} to {second}.",
        "{first} to {second}: how many days is that?",
        "What's the number of days separating {first} and {second}?",
    ),
    "weeks_between": ("How many full weeks are there between {first} and {second}?",),
    "working_days": (
        "How many working days are there from {first} to {second}?",
        "How many weekdays fall between {first} and {second}?",
        "Count the business days between {first} and {second}.",
    ),
    "plus": (
        "Which date is {span} after {first}?",
        "What date do I get if I add {span} to {first}?",
        "{first} plus {span}?",
        "If something starts on {first} and lasts {span}, when does it end?",
    ),
    "minus": ("What day was {span} before {first}?", "Go back {span} from {first}: what's the date?"),
    "weekday": (
        "On which day of the week does {first} fall?",
        "What weekday is {first}?",
        "Which day of the week was {first}?",
        "Is {first} a Monday or what?",
    ),
    "leap": ("Does {year} have a February 29?", "Was {year} a leap year?", "Is the year {year} a leap year?"),
    "age": (
        "How old is somebody who was born on {birth}?",
        "I was born on {birth}. What is my age?",
        "If my birthday is {birth}, how old am I today?",
    ),
    "until": (
        "How many days do we have left until {later}?",
        "How many days is it from today to {later}?",
        "How many more days till {later}?",
    ),
    "ago": ("How many days ago was {birth}?", "How many days have passed since {birth}?"),
    "from_today": (
        "What's the date in {span}?",
        "What will the date be {span} from now?",
        "Which date is {span} from today?",
    ),
    "before_today": ("What was the date {span} ago?", "Which date was it {span} ago?"),
}

COMPARISON = {
    "is_larger": ("Is {a} bigger than {b}?", "Is it true that {a} is greater than {b}?", "Does {a} exceed {b}?"),
    "is_smaller": ("Is {a} less than {b}?", "Would {a} be smaller than {b}?"),
    "which_larger": (
        "Which one is the larger number, {a} or {b}?",
        "What's more: {a} or {b}?",
        "Between {a} and {b}, which is bigger?",
    ),
    "largest": (
        "Which of {list} is the biggest?",
        "Tell me the maximum of {list}.",
        "Of {list}, what is the highest number?",
    ),
    "smallest": ("Which of these is lowest: {list}?", "What's the minimum of {list}?"),
    "cheaper": (
        "Which is the better deal, {n1} pens for ${p1} or {n2} pens for ${p2}?",
        "What is cheaper: brand A at {p1} for {n1} or brand B at {p2} for {n2}?",
        "Is it cheaper to buy {n1} cans for {p1} euros or {n2} cans for {p2} euros?",
    ),
    "earlier": (
        "Which came first, {first} or {second}?",
        "What is the earlier date: {first} or {second}?",
    ),
    "is_before": ("Is {first} before {second}?", "Does {first} come earlier than {second}?"),
}

PUZZLE = {
    "extreme": (
        "{premises} Which of them is the {superlative}?",
        "Here is a riddle. {premises} Who is {superlative}?",
        "{premises} So who's the {superlative} of them all?",
    ),
    "pair": (
        "{premises} Is {x} {comparative} than {y}?",
        "Suppose that {premises} Can we say that {x} is {comparative} than {y}?",
        "{premises} Does it follow that {x} is {comparative} than {y}?",
    ),
    "order": (
        "{premises} List them from {superlative} to {opposite}.",
        "{premises} Put them in order, {superlative} first.",
        "{premises} What is the order from {superlative} to {opposite}?",
    ),
    "race": ("{premises} Who won?", "{premises} Who came in last?", "{premises} Who was first across the line?"),
    "implication": (
        "{premises} Is it true that {statement}?",
        "Given that {premises} {polar}?",
        "{premises} Can we conclude that {statement}?",
    ),
    "syllogism": (
        "{premises} Does it follow that {conclusion}?",
        "{premises} Is it certain that {conclusion}?",
        "{premises} Therefore, {asked}?",
    ),
    "assignment": (
        "{setting} {facts} So whose is the {thing}?",
        "{setting} {facts} Which of them has the {thing}?",
        "{setting} {facts} What does {person} have?",
    ),
    "knights": (
        (
            "On an island live knights, who always tell the truth, and knaves, who always lie. {sayings} "
            "Is {person} a knight?"
        ),
        "Every knight tells the truth and every knave lies. {sayings} What is {person}?",
    ),
}

PREMISES = {
    "more": (
        "{x} is {comparative} than {y}.",
        "{y} isn't as {positive} as {x}.",
        "{x} happens to be {comparative} than {y}.",
    ),
    "less": ("{y} is {converse} than {x}.", "Compared with {x}, {y} is {converse}."),
    "same": ("{x} is as {positive} as {y}.", "{x} and {y} are equally {positive}."),
    "ahead": ("{x} came in before {y}.", "{y} finished behind {x}.", "{x} beat {y}."),
    "if": ("If {p}, then {q}.", "Whenever {p}, {q}.", "{q} if {p}.", "{p} only if {q}."),
    "or": ("Either {p} or {q}.", "{p}, or {q}, or both."),
    "fact": ("{p}.", "We know that {p}.", "It is a fact that {p}."),
    "all": ("All {a} are {b}.", "Each {a1} is a {b1}.", "{A} are always {b}."),
    "no": ("No {a} are {b}.", "Not a single {a1} is a {b1}."),
    "some": ("Some {a} are {b}.", "At least one {a1} is a {b1}.", "There are {a} that are {b}."),
    "some_not": ("Some {a} are not {b}.", "Not every {a1} is a {b1}."),
    "setting": (
        "{people} each own exactly one of these: {things}.",
        "{people} have one pet each: {things}.",
        "There are three friends, {people}, and each has one of {things}.",
    ),
    "has": ("{x} has the {t}.", "The {t} belongs to {x}.", "{x}'s is the {t}."),
    "has_not": ("{x} doesn't have the {t}.", "The {t} does not belong to {x}.", "{x} hasn't got the {t}."),
    "neither": ("{x} has neither the {t} nor the {u}.", "{x} owns neither the {t} nor the {u}."),
    "says": ('{x} says: "{claim}."', "{x} says that {claim}.", "{x} claims {claim}."),
}

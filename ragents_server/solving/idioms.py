"""Sums as they are said every day: "what percent of 80 is 12", "how often does 6 go into 42", "80 with 15 % off"."""

from fractions import Fraction

from ragents_server.solving.expressions import parse, parse_list
from ragents_server.solving.idiom import DOWN, THEN, UP, Idiom, changed_by, growth, idiom, more, per, percent
from ragents_server.solving.purchases import PURCHASES
from ragents_server.solving.solution import OutsideError
from ragents_server.solving.trees import Apply, Num, Tree

_SUMS: tuple[Idiom, ...] = (
    idiom(
        r"(?:what|which|how many) (?:% |percentage )(?:of )?NUM (?:is|are|does) NUM(?: make)?",
        lambda b, a: percent(a, b),
        "%",
    ),
    idiom(r"(?:what|which|how many) (?:% |percentage )(?:is|are) NUM (?:of|out of|from) NUM", percent, "%"),
    idiom(r"NUM (?:is|are|makes?) (?:what|which|how many) (?:% |percentage )(?:of|out of) NUM", percent, "%"),
    idiom(r"(?:express |write )?NUM as a (?:% |percentage )of NUM", percent, "%"),
    idiom(r"NUM out of NUM (?:is|are) (?:what|how many|which) (?:%|percentage)", percent, "%"),
    idiom(
        r"(?:by )?(?:what|how many|how much|which) (?:in )?(?:% |percentage )?(?:is|was|are) ?(?:the |a |an )?"
        r"(?:%|percentage) ?(?:change|increase|decrease|growth|rise|difference|drop) (?:from|between) NUM (?:to|"
        r"and) NUM",
        growth,
        "%",
    ),
    idiom(
        r"(?:by )?(?:what|how many|how much|which) (?:%|percentage) (?:does|did|do|is|has|will|have) "
        r"(?:it|something|one|a price|a value|a number|we|you|that) "
        r"(?:to )?(?:grow|grown|rise|risen|increase|increased|fall|fallen|change|changed|drop|go up|go down) "
        r"(?:when it goes |if it goes )?from NUM to NUM",
        growth,
        "%",
    ),
    idiom(r"how much (?:more|greater|larger|bigger|higher) (?:is|are) NUM than NUM", more),
    idiom(r"how much (?:less|smaller|lower|fewer) (?:is|are) NUM than NUM", lambda a, b: more(b, a)),
    idiom(r"how (?:many times|often) (?:does|do|will|can) NUM (?:go|fit) in ?to NUM", lambda a, b: per(b, a)),
    idiom(r"how (?:many times|often) (?:does|do|will|can) NUM (?:go|fit) in NUM", lambda a, b: per(b, a)),
    idiom(
        r"(?:what|which) number(?: is it that| when)? squared (?:gives|is|makes|equals) NUM",
        lambda n: Apply("root", (parse(n), Num(Fraction(2)))),
    ),
    idiom(
        r"(?:what|how much) (?:is|remains?|will be left|would be left|do i have)(?: left)?(?: over)?,? "
        r"(?:if|when|of|after) (?:you |i |we |one )?(?:divide|dividing) NUM(?: is| are)? (?:by|into) NUM",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    idiom(
        r"(?:what|how much) (?:is|remains?)(?: left)?(?: over)? (?:if|when|after) NUM (?:is|are|gets) divided by NUM",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    idiom(
        r"(?:what|how much) (?:is left|remains|is left over|remains left)(?: over)? (?:of|from) NUM "
        r"(?:after|when|if) (?:you |i |we )?(?:subtract|subtracting|take|taking|taking away|take away|remove|"
        r"removing) NUM(?: away)?",
        more,
    ),
    idiom(
        r"(?:what|how much)(?: do| does)? (.{3,200}?) (?:add up to|sum to|come to|amount to|make(?: together| in "
        r"all)?|sum up to)",
        lambda few: Apply("sum", parse_list(few)),
    ),
    idiom(r"on average,? (?:how much|what) (?:is|are) (.{3,200})", lambda few: Apply("mean", parse_list(few))),
    idiom(
        r"(.{3,200}?)(?:: | - |, )(?:what|how much) is (?:the|their) (?:total|sum)",
        lambda few: Apply("sum", parse_list(few)),
    ),
    idiom(
        r"(.{3,200}?)(?:: | - |, )(?:what|how much) is (?:the|their) (?:average|mean)",
        lambda few: Apply("mean", parse_list(few)),
    ),
    idiom(
        r"(?:divide|split|share) NUM (?:equally |evenly )?(?:into|between|among|by) NUM (?:equal )?(?:parts|"
        r"pieces|people|groups|shares)?"
        r"[:;,.?]? ?(?:how (?:big|large|much|many) (?:is|does|do|are|will)(?: each)?(?: part| one| get| "
        r"person)*(?: get)?)?",
        per,
    ),
    idiom(r"(?:take|knock|deduct) NUM off(?: of)? NUM", lambda by, base: changed_by(base, by, "subtract")),
    idiom(
        r"(?:add|put) (?:an? |the )?NUM (?:sales |value added )?(?:tax|vat|tip|surcharge|interest) (?:to|on|onto) NUM",
        lambda by, base: changed_by(base, by, "add"),
    ),
    idiom(r"NUM (?:plus|with) NUM (?:sales )?(?:tax|vat|tip|surcharge)", lambda base, by: changed_by(base, by, "add")),
    idiom(
        r"(?:by )?(?:what|which|how many|how much) (?:%|percentage) (?:change|increase|decrease|growth|rise|"
        r"difference|drop) (?:is it|is there|is that|was it) "
        r"(?:from|between) NUM (?:to|and) NUM",
        growth,
        "%",
    ),
    idiom(
        r"(?:what|how much|how many) (?:is|are|would|do|does) (.{3,200}?),? (?:together|altogether|in total|"
        r"combined|in all|all together)(?: be| make)?",
        lambda few: Apply("sum", parse_list(few)),
    ),
    idiom(
        r"(?:what|how much) (?:do|does|is) (.{3,200}?),? (?:on average|average|average out to|average to)",
        lambda few: Apply("mean", parse_list(few)),
    ),
    idiom(
        r"by how much (?:does|do|is|are) NUM (?:exceeds?|surpass|larger than|greater than|bigger than|more than) NUM",
        more,
    ),
    idiom(
        r"(?:what|how much) (?:is left|remains|is left over) (?:when|if|after) NUM (?:is|are|gets|being) "
        r"(?:taken|subtracted|removed|deducted)(?: away)? from NUM",
        lambda a, b: more(b, a),
    ),
    idiom(
        r"(?:what|how much)?(?: is)? ?(?:the )?(?:price|cost|amount|total)? ?(?:after|with) (?:an? )?NUM "
        r"(?:discount|reduction|rebate) (?:on|off|from) NUM",
        lambda by, base: changed_by(base, by, "subtract"),
    ),
    idiom(
        r"(?:(?:what|how much) (?:is|are) )?NUM (?:with|at|after|less|minus) (?:an? )?NUM (?:off|discount|"
        r"reduction|rebate)",
        lambda base, by: changed_by(base, by, "subtract"),
    ),
    idiom(
        r"(?:(?:what|how much) (?:is|are) )?NUM (?:plus|with|and|after) NUM (?:sales )?(?:tax|vat|tip|surcharge|"
        r"interest)",
        lambda base, by: changed_by(base, by, "add"),
    ),
    idiom(rf"(?:if )?NUM (?:is |was )?{UP}(?: by)? NUM{THEN}", lambda base, by: changed_by(base, by, "add")),
    idiom(rf"(?:if )?NUM (?:is |was )?{DOWN}(?: by)? NUM{THEN}", lambda base, by: changed_by(base, by, "subtract")),
    idiom(
        r"NUM (?:out )?of NUM,? (?:how much|how many|what) (?:is|are) (?:it|that|this)",
        lambda part, whole: Apply("multiply", (parse(part), parse(whole))),
    ),
    idiom(
        r"(?:it|something|a price|a value|this|that) (?:goes|went|rises|rose|grows|grew|changes|changed|falls|"
        r"fell|increases|increased|drops|dropped) from NUM to NUM"
        r"[.,;:]? (?:by )?(?:how many|what|how much) (?:%|percentage) (?:is|was) (?:that|it|this)",
        growth,
        "%",
    ),
    idiom(
        r"(?:what|which) number (?:times|multiplied by) itself (?:is|gives|makes|equals) NUM",
        lambda n: Apply("root", (parse(n), Num(Fraction(2)))),
    ),
    idiom(
        r"NUM divided by NUM (?:leaves|gives|has) (?:what|which) (?:remainder|rest)",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    idiom(
        r"NUM (?:is |are )?(?:shared|split|divided|distributed) (?:equally |evenly |fairly )?(?:between|among|"
        r"by) NUM(?: NOUN)?,?(?: equally| evenly)?,? "
        r"(?:is |are |makes? |gives? )?(?:how (?:much|many)|what)(?: is it)?(?: for)?(?: each| per NOUN| "
        r"apiece)?(?: one| get)?",
        per,
    ),
    idiom(
        r"(?:the |a )?(?:%|percentage) (?:change|increase|decrease|growth|rise|difference|drop) (?:from|between) NUM "
        r"(?:to|and) NUM",
        growth,
        "%",
    ),
    idiom(
        r"(.{3,200}?) (?:adds? up to|sums? up to|makes?|gives?)(?: what| how much)?(?: in total| together)?",
        lambda few: Apply("sum", parse_list(few)),
    ),
    idiom(
        r"(?:by )?how (?:many|much) (?:%|percentage)(?: points)? (?:more|larger|greater|higher|bigger) (?:is|"
        r"are) NUM than NUM",
        lambda new, old: growth(old, new),
        "%",
    ),
)


def idiomatic(text: str) -> tuple[Tree, str] | None:
    """The expression that a plain text stands for, and the unit of its value."""
    for pattern, tree, unit in _SUMS + PURCHASES:
        if found := pattern.fullmatch(text):
            try:
                return tree(*(each.strip(" ?.,") for each in found.groups())), unit
            except OutsideError:
                continue
    return None

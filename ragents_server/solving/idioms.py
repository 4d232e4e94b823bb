"""Sums as they are said every day: "what percent of 80 is 12", "7 tickets at 12.50 each", "80 with 15 % off".

Each idiom is a pattern of a whole text and the expression that its numbers make. Only closed classes of words stand
in a pattern, but for the thing that is bought, which may be any noun.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from ragents_server.solving.expressions import parse, parse_list
from ragents_server.solving.solution import OutsideError
from ragents_server.solving.trees import Apply, Num, Tree, changed

_NUMERIC = r"[\d.,$€£()+\-*/^%! ]*\d[\d.,$€£()+\-*/^%! ]*"
AMOUNT = r"[$€£]? ?\d+(?:\.\d+)? ?(?:dollars?|euros?|pounds?|usd|eur)?"
_NOUN = r"(?:(?!and\b|or\b|at\b|for\b|if\b)[a-z][a-z-]*)"
_THEN = (
    r"(?:[.;,?]? ?(?:and |so |then )?(?:(?:how much|what) (?:is|are|was|will|would|does|do|must|should) ?"
    r"(?:the|its|it|i|you|we|one|that)? ?(?:new |final |reduced |sale |total |increased )?"
    r"(?:price|cost|rent|fee|amount|value|it|salary|pay|bill|total|be|have to pay|need to pay)? ?"
    r"(?:be|is|cost|now|then|after that|afterwards|to pay|in the end|come to)* ?(?:then|now|afterwards)?))"
)


def _per(left: str, right: str) -> Tree:
    return Apply("divide", (parse(left), parse(right)))


def _percent(part: str, whole: str) -> Tree:
    return Apply("multiply", (_per(part, whole), Num(Fraction(100))))


def _growth(before: str, after: str) -> Tree:
    old, new = parse(before), parse(after)
    share = Apply("divide", (Apply("subtract", (new, old)), old))
    return Apply("multiply", (share, Num(Fraction(100))))


def _more(a: str, b: str) -> Tree:
    return Apply("subtract", (parse(a), parse(b)))


def _changed_by(base: str, by: str, name: str) -> Tree:
    return changed(name, parse(base), parse(by))


def _times(count: str, each: str) -> Tree:
    return Apply("multiply", (Num(Fraction(count)), parse(each)))


_UP = r"(?:increased|raised|goes up|rises|grows|went up|rose|grew|is raised|is increased|increases|up)"
_DOWN = (
    r"(?:reduced|lowered|discounted|marked down|cut|decreased|goes down|falls|drops|fell|dropped|sinks|shrinks|"
    r"cheaper|down)"
)
_Idiom = tuple[re.Pattern[str], Callable[..., Tree], str]


def _idiom(pattern: str, tree: Callable[..., Tree], unit: str = "") -> _Idiom:
    pattern = pattern.replace("NUM", f"({_NUMERIC})").replace("PRICE", f"({AMOUNT})").replace("NOUN", _NOUN)
    return re.compile(rf"(?:{pattern})[ ?.=!]*", re.DOTALL), tree, unit


_IDIOMS: tuple[_Idiom, ...] = (
    _idiom(
        r"(?:what|which|how many) (?:% |percentage )(?:of )?NUM (?:is|are|does) NUM(?: make)?",
        lambda b, a: _percent(a, b),
        "%",
    ),
    _idiom(r"(?:what|which|how many) (?:% |percentage )(?:is|are) NUM (?:of|out of|from) NUM", _percent, "%"),
    _idiom(r"NUM (?:is|are|makes?) (?:what|which|how many) (?:% |percentage )(?:of|out of) NUM", _percent, "%"),
    _idiom(r"(?:express |write )?NUM as a (?:% |percentage )of NUM", _percent, "%"),
    _idiom(r"NUM out of NUM (?:is|are) (?:what|how many|which) (?:%|percentage)", _percent, "%"),
    _idiom(
        r"(?:by )?(?:what|how many|how much|which) (?:in )?(?:% |percentage )?(?:is|was|are) ?(?:the |a |an )?"
        r"(?:%|percentage) ?(?:change|increase|decrease|growth|rise|difference|drop) (?:from|between) NUM (?:to|"
        r"and) NUM",
        _growth,
        "%",
    ),
    _idiom(
        r"(?:by )?(?:what|how many|how much|which) (?:%|percentage) (?:does|did|do|is|has|will|have) "
        r"(?:it|something|one|a price|a value|a number|we|you|that) "
        r"(?:to )?(?:grow|grown|rise|risen|increase|increased|fall|fallen|change|changed|drop|go up|go down) "
        r"(?:when it goes |if it goes )?from NUM to NUM",
        _growth,
        "%",
    ),
    _idiom(r"how much (?:more|greater|larger|bigger|higher) (?:is|are) NUM than NUM", _more),
    _idiom(r"how much (?:less|smaller|lower|fewer) (?:is|are) NUM than NUM", lambda a, b: _more(b, a)),
    _idiom(r"how (?:many times|often) (?:does|do|will|can) NUM (?:go|fit) in ?to NUM", lambda a, b: _per(b, a)),
    _idiom(r"how (?:many times|often) (?:does|do|will|can) NUM (?:go|fit) in NUM", lambda a, b: _per(b, a)),
    _idiom(
        r"(?:what|which) number(?: is it that| when)? squared (?:gives|is|makes|equals) NUM",
        lambda n: Apply("root", (parse(n), Num(Fraction(2)))),
    ),
    _idiom(
        r"(?:what|how much) (?:is|remains?|will be left|would be left|do i have)(?: left)?(?: over)?,? "
        r"(?:if|when|of|after) (?:you |i |we |one )?(?:divide|dividing) NUM(?: is| are)? (?:by|into) NUM",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    _idiom(
        r"(?:what|how much) (?:is|remains?)(?: left)?(?: over)? (?:if|when|after) NUM (?:is|are|gets) divided by NUM",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    _idiom(
        r"(?:what|how much) (?:is left|remains|is left over|remains left)(?: over)? (?:of|from) NUM "
        r"(?:after|when|if) (?:you |i |we )?(?:subtract|subtracting|take|taking|taking away|take away|remove|"
        r"removing) NUM(?: away)?",
        _more,
    ),
    _idiom(
        r"(?:what|how much)(?: do| does)? (.{3,200}?) (?:add up to|sum to|come to|amount to|make(?: together| in "
        r"all)?|sum up to)",
        lambda few: Apply("sum", parse_list(few)),
    ),
    _idiom(r"on average,? (?:how much|what) (?:is|are) (.{3,200})", lambda few: Apply("mean", parse_list(few))),
    _idiom(
        r"(.{3,200}?)(?:: | - |, )(?:what|how much) is (?:the|their) (?:total|sum)",
        lambda few: Apply("sum", parse_list(few)),
    ),
    _idiom(
        r"(.{3,200}?)(?:: | - |, )(?:what|how much) is (?:the|their) (?:average|mean)",
        lambda few: Apply("mean", parse_list(few)),
    ),
    _idiom(
        r"(?:divide|split|share) NUM (?:equally |evenly )?(?:into|between|among|by) NUM (?:equal )?(?:parts|"
        r"pieces|people|groups|shares)?"
        r"[:;,.?]? ?(?:how (?:big|large|much|many) (?:is|does|do|are|will)(?: each)?(?: part| one| get| "
        r"person)*(?: get)?)?",
        _per,
    ),
    _idiom(
        rf"(?:an?|the|my|our|some) (?:NOUN ){{1,3}}(?:that )?(?:costs|cost|is|was|of|priced at|is priced at)(?: "
        rf"priced at)? PRICE,? ?"
        rf"(?:and |which |that |is |it |gets |then |now |was )*{_DOWN}(?: by)? NUM{_THEN}",
        lambda base, by: _changed_by(base, by, "subtract"),
    ),
    _idiom(
        rf"(?:an?|the|my|our|some) (?:NOUN ){{1,3}}(?:that )?(?:costs|cost|is|was|of|priced at|is priced at)(?: "
        rf"priced at)? PRICE,? ?"
        rf"(?:and |which |that |is |it |gets |then |now |was )*{_UP}(?: by)? NUM{_THEN}",
        lambda base, by: _changed_by(base, by, "add"),
    ),
    _idiom(
        r"(?:what|how much) (?:do i|do you|do we|does one|would i|will i|must i|should i) pay (?:for (?:an? |"
        r"something |the )?(?:NOUN )?)?"
        r"(?:priced at|that costs|costing|for|at|of) PRICE (?:with|after|less|minus|at) (?:an? )?NUM(?: discount|"
        r" off| reduction)?",
        lambda base, by: _changed_by(base, by, "subtract"),
    ),
    _idiom(r"(?:take|knock|deduct) NUM off(?: of)? NUM", lambda by, base: _changed_by(base, by, "subtract")),
    _idiom(
        r"(?:add|put) (?:an? |the )?NUM (?:sales |value added )?(?:tax|vat|tip|surcharge|interest) (?:to|on|onto) NUM",
        lambda by, base: _changed_by(base, by, "add"),
    ),
    _idiom(
        r"NUM (?:plus|with) NUM (?:sales )?(?:tax|vat|tip|surcharge)", lambda base, by: _changed_by(base, by, "add")
    ),
    _idiom(
        r"(?:what|how much)(?: is| are| do| does| would| will| must)*(?: the (?:price|cost|total)(?: of| for)?| "
        r"i pay(?: for)?| you pay(?: for)?)? ?"
        r"(\d+) NOUN(?: NOUN)?(?: cost| be)?,? (?:at|for|if each (?:costs?|is)|costing|when each (?:costs?|is)|"
        r"that cost) "
        r"PRICE(?: each| apiece| a piece| per piece| per NOUN)?(?: cost| altogether| in total)*",
        _times,
    ),
    _idiom(
        r"(?:i|we|somebody|someone|she|he) (?:buy|bought|buys|get|order|ordered|want|need) (\d+) NOUN(?: NOUN)? "
        r"(?:at|for|costing) "
        r"PRICE(?: each| apiece| a piece| per piece| per NOUN)[.,;]?(?: and)? (?:how much|what)(?: is| do| does| "
        r"did| will)? ?(?:i|we|it|that|the)? ?"
        r"(?:pay|cost|total|bill|come to|spend|total cost)?(?: altogether| in total| in all)?",
        _times,
    ),
    _idiom(
        r"(?:what|how much) (?:is|are|do|does|will|would)(?: the (?:price|cost|total)(?: of| for)?)? (\d+) "
        r"NOUN(?: NOUN)?(?: cost)?,? "
        r"(?:if|when) (?:one|1|each|an?|every)(?: NOUN){0,2} (?:is|costs?) PRICE",
        _times,
    ),
    _idiom(
        r"(?:if |when )?(?:1|one|an?|each|every|the) NOUN(?: NOUN)? (?:costs?|is) PRICE(?: each)?[,.;]? (?:and |"
        r"then )?(?:how much|what) "
        r"(?:do|does|are|is|would|will|did) (\d+) NOUN(?: NOUN)?(?: cost| be| come to)?",
        lambda each, count: _times(count, each),
    ),
    _idiom(
        r"(?:by )?(?:what|which|how many|how much) (?:%|percentage) (?:change|increase|decrease|growth|rise|"
        r"difference|drop) (?:is it|is there|is that|was it) "
        r"(?:from|between) NUM (?:to|and) NUM",
        _growth,
        "%",
    ),
    _idiom(
        r"(?:what|how much|how many) (?:is|are|would|do|does) (.{3,200}?),? (?:together|altogether|in total|"
        r"combined|in all|all together)(?: be| make)?",
        lambda few: Apply("sum", parse_list(few)),
    ),
    _idiom(
        r"(?:what|how much) (?:do|does|is) (.{3,200}?),? (?:on average|average|average out to|average to)",
        lambda few: Apply("mean", parse_list(few)),
    ),
    _idiom(
        r"by how much (?:does|do|is|are) NUM (?:exceeds?|surpass|larger than|greater than|bigger than|more than) NUM",
        _more,
    ),
    _idiom(
        r"(?:what|how much) (?:is left|remains|is left over) (?:when|if|after) NUM (?:is|are|gets|being) "
        r"(?:taken|subtracted|removed|deducted)(?: away)? from NUM",
        lambda a, b: _more(b, a),
    ),
    _idiom(
        r"(?:what|how much)?(?: is)? ?(?:the )?(?:price|cost|amount|total)? ?(?:after|with) (?:an? )?NUM "
        r"(?:discount|reduction|rebate) (?:on|off|from) NUM",
        lambda by, base: _changed_by(base, by, "subtract"),
    ),
    _idiom(
        r"(?:(?:what|how much) (?:is|are) )?NUM (?:with|at|after|less|minus) (?:an? )?NUM (?:off|discount|"
        r"reduction|rebate)",
        lambda base, by: _changed_by(base, by, "subtract"),
    ),
    _idiom(
        r"(?:(?:what|how much) (?:is|are) )?NUM (?:plus|with|and|after) NUM (?:sales )?(?:tax|vat|tip|surcharge|"
        r"interest)",
        lambda base, by: _changed_by(base, by, "add"),
    ),
    _idiom(rf"(?:if )?NUM (?:is |was )?{_UP}(?: by)? NUM{_THEN}", lambda base, by: _changed_by(base, by, "add")),
    _idiom(rf"(?:if )?NUM (?:is |was )?{_DOWN}(?: by)? NUM{_THEN}", lambda base, by: _changed_by(base, by, "subtract")),
    _idiom(
        r"NUM (?:out )?of NUM,? (?:how much|how many|what) (?:is|are) (?:it|that|this)",
        lambda part, whole: Apply("multiply", (parse(part), parse(whole))),
    ),
    _idiom(
        r"(?:it|something|a price|a value|this|that) (?:goes|went|rises|rose|grows|grew|changes|changed|falls|"
        r"fell|increases|increased|drops|dropped) from NUM to NUM"
        r"[.,;:]? (?:by )?(?:how many|what|how much) (?:%|percentage) (?:is|was) (?:that|it|this)",
        _growth,
        "%",
    ),
    _idiom(
        r"(?:what|which) number (?:times|multiplied by) itself (?:is|gives|makes|equals) NUM",
        lambda n: Apply("root", (parse(n), Num(Fraction(2)))),
    ),
    _idiom(
        r"NUM divided by NUM (?:leaves|gives|has) (?:what|which) (?:remainder|rest)",
        lambda a, b: Apply("modulo", (parse(a), parse(b))),
    ),
    _idiom(
        r"NUM (?:is |are )?(?:shared|split|divided|distributed) (?:equally |evenly |fairly )?(?:between|among|"
        r"by) NUM(?: NOUN)?,?(?: equally| evenly)?,? "
        r"(?:is |are |makes? |gives? )?(?:how (?:much|many)|what)(?: is it)?(?: for)?(?: each| per NOUN| "
        r"apiece)?(?: one| get)?",
        _per,
    ),
    _idiom(
        r"(\d+) NOUN(?: NOUN)? (?:at|for|costing) PRICE(?: each| apiece| a piece| per piece| per NOUN)[,:;.]? "
        r"(?:how much|what) (?:is|are|do|does|would) "
        r"(?:that|it|they|the total|the price|i pay|this)(?: cost| come to| make| altogether| in total)*",
        _times,
    ),
    _idiom(
        r"(?:what|how much) (?:is|are) the (?:total|price|cost|bill|sum)(?: price| cost)? (?:for|of) (\d+) "
        r"NOUN(?: NOUN)? (?:at|for) PRICE"
        r"(?: each| apiece| a piece| per piece| per NOUN)?",
        _times,
    ),
    _idiom(
        r"(?:the |a )?(?:%|percentage) (?:change|increase|decrease|growth|rise|difference|drop) (?:from|between) NUM "
        r"(?:to|and) NUM",
        _growth,
        "%",
    ),
    _idiom(r"(\d+) NOUN(?: NOUN)? (?:at|for|costing) PRICE(?: each| apiece| a piece| per piece)", _times),
)


def idiomatic(text: str) -> tuple[Tree, str] | None:
    """The expression that a plain text stands for, and the unit of its value."""
    for pattern, tree, unit in _IDIOMS:
        if found := pattern.fullmatch(text):
            try:
                return tree(*(each.strip(" ?.,") for each in found.groups())), unit
            except OutsideError:
                continue
    return None

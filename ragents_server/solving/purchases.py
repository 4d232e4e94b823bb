"""What things cost, as it is said every day: "7 tickets at 12.50 each", "a coat costs 80 and is reduced by 15 %".

The thing that is bought may be any noun; all other words are of closed classes.
"""

from ragents_server.solving.idiom import DOWN, THEN, UP, Idiom, changed_by, idiom, times

PURCHASES: tuple[Idiom, ...] = (
    idiom(
        rf"(?:an?|the|my|our|some) (?:NOUN ){{1,3}}(?:that )?(?:costs|cost|is|was|of|priced at|is priced at)(?: "
        rf"priced at)? PRICE,? ?"
        rf"(?:and |which |that |is |it |gets |then |now |was )*{DOWN}(?: by)? NUM{THEN}",
        lambda base, by: changed_by(base, by, "subtract"),
    ),
    idiom(
        rf"(?:an?|the|my|our|some) (?:NOUN ){{1,3}}(?:that )?(?:costs|cost|is|was|of|priced at|is priced at)(?: "
        rf"priced at)? PRICE,? ?"
        rf"(?:and |which |that |is |it |gets |then |now |was )*{UP}(?: by)? NUM{THEN}",
        lambda base, by: changed_by(base, by, "add"),
    ),
    idiom(
        r"(?:what|how much) (?:do i|do you|do we|does one|would i|will i|must i|should i) pay (?:for (?:an? |"
        r"something |the )?(?:NOUN )?)?"
        r"(?:priced at|that costs|costing|for|at|of) PRICE (?:with|after|less|minus|at) (?:an? )?NUM(?: discount|"
        r" off| reduction)?",
        lambda base, by: changed_by(base, by, "subtract"),
    ),
    idiom(
        r"(?:what|how much)(?: is| are| do| does| would| will| must)*(?: the (?:price|cost|total)(?: of| for)?| "
        r"i pay(?: for)?| you pay(?: for)?)? ?"
        r"(\d+) NOUN(?: NOUN)?(?: cost| be)?,? (?:at|for|if each (?:costs?|is)|costing|when each (?:costs?|is)|"
        r"that cost) "
        r"PRICE(?: each| apiece| a piece| per piece| per NOUN)?(?: cost| altogether| in total)*",
        times,
    ),
    idiom(
        r"(?:i|we|somebody|someone|she|he) (?:buy|bought|buys|get|order|ordered|want|need) (\d+) NOUN(?: NOUN)? "
        r"(?:at|for|costing) "
        r"PRICE(?: each| apiece| a piece| per piece| per NOUN)[.,;]?(?: and)? (?:how much|what)(?: is| do| does| "
        r"did| will)? ?(?:i|we|it|that|the)? ?"
        r"(?:pay|cost|total|bill|come to|spend|total cost)?(?: altogether| in total| in all)?",
        times,
    ),
    idiom(
        r"(?:what|how much) (?:is|are|do|does|will|would)(?: the (?:price|cost|total)(?: of| for)?)? (\d+) "
        r"NOUN(?: NOUN)?(?: cost)?,? "
        r"(?:if|when) (?:one|1|each|an?|every)(?: NOUN){0,2} (?:is|costs?) PRICE",
        times,
    ),
    idiom(
        r"(?:if |when )?(?:1|one|an?|each|every|the) NOUN(?: NOUN)? (?:costs?|is) PRICE(?: each)?[,.;]? (?:and |"
        r"then )?(?:how much|what) "
        r"(?:do|does|are|is|would|will|did) (\d+) NOUN(?: NOUN)?(?: cost| be| come to)?",
        lambda each, count: times(count, each),
    ),
    idiom(
        r"(\d+) NOUN(?: NOUN)? (?:at|for|costing) PRICE(?: each| apiece| a piece| per piece| per NOUN)[,:;.]? "
        r"(?:how much|what) (?:is|are|do|does|would) "
        r"(?:that|it|they|the total|the price|i pay|this)(?: cost| come to| make| altogether| in total)*",
        times,
    ),
    idiom(
        r"(?:what|how much) (?:is|are) the (?:total|price|cost|bill|sum)(?: price| cost)? (?:for|of) (\d+) "
        r"NOUN(?: NOUN)? (?:at|for) PRICE"
        r"(?: each| apiece| a piece| per piece| per NOUN)?",
        times,
    ),
    idiom(r"(\d+) NOUN(?: NOUN)? (?:at|for|costing) PRICE(?: each| apiece| a piece| per piece)", times),
    idiom(
        r"(\d+) NOUN(?: NOUN)? (?:cost|are|sell for) PRICE(?: each| apiece| a piece| per piece| per NOUN)[.,;:]? "
        r"(?:how much|what) "
        r"(?:is|are|do|does|would|will) (?:that|it|they|the total|the price|this|all of them)(?: cost| come to| "
        r"make| altogether| in total)*",
        times,
    ),
    idiom(
        r"if (?:something|an? NOUN) (?:costs?|is) PRICE,? and (?:i|you|we|there) (?:get|is|have|gets)(?: an?)? "
        r"NUM (?:off|discount|reduction),? "
        r"(?:how much|what) (?:do|does|is|will|must|would) (?:i|you|we|it|one|the price)(?: pay| cost| be| have "
        r"to pay)?",
        lambda base, by: changed_by(base, by, "subtract"),
    ),
)

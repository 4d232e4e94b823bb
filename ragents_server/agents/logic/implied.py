"""Constraints that name no field, only a value: "papers by Ann Lee", "the archived files", "documents from 2021".

A noun such as "documents" must stand beside the value: "what happened in 2021" asks about the year and not for
documents of it. A value that two fields have, or a period that fits two fields, is asked back.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from ragents_server.agents.logic import periods
from ragents_server.agents.logic.constraint import DOCUMENT, THE, Constraint, UnclearError, pattern_of, spoken
from ragents_server.agents.logic.files import any_of
from ragents_server.index.fields import Field
from ragents_server.solving import Ambiguous

_BY = frozenset(
    {"author", "authors", "writer", "writers", "creator", "by", "written by", "owner", "sender", "from", "editor"}
)
_IN = r"(?:only (?:in|from)|in|from|among|within|across|of|using|for|do|does|did|only)"
_SAID = r"(?:say|state|mention|tell|write|report|contain|name|recommend)"
_DONE = {
    "published": "publi", "dated": "dat", "created": "creat", "issued": "issu", "signed": "sign", "updated": "updat",
    "modified": "modif", "written": "writ", "released": "releas", "filed": "fil", "uploaded": "upload", "sent": "sen",
    "received": "receiv", "approved": "approv", "printed": "print", "adopted": "adopt",
}  # fmt: skip
_WHEN = (
    ("between", r"between|from"),
    ("more", r"after|later than"),
    ("less", r"before|earlier than|prior to"),
    ("at_least", r"since|on or after|starting (?:in|from)|not before"),
    ("at_most", r"until|up to|no later than|on or before|by"),
    ("in", r"in|from|on|of|during|dated"),
)


class Implied:
    """Reads what one question implies."""

    def __init__(self, text: str, fields: Sequence[Field], today: date) -> None:
        self._text = text
        self._strings = [
            field
            for field in fields
            if field.kind == "string" and field.values and not field.dates and field.name != "media_type"
        ]
        self._fields = fields
        self._today = today

    def constraints(self) -> Iterator[Constraint]:
        """All of them; raises UnclearError."""
        yield from self._authors()
        yield from self._beside_field()
        yield from self._beside_noun()
        yield from self._dated()

    def _authors(self) -> Iterator[Constraint]:
        fields = [field for field in self._strings if spoken(field.name) in _BY]
        for field in fields[:1]:
            known = {value.lower(): value for value in field.values}
            done = r"(?:(?:that|which) (?:are|were) )?(?:(?:written|authored|created|made|sent|published|signed) )?"
            name = rf"(?P<value>{pattern_of(list(known))}|(?-i:[A-Z][\w.'’-]+(?: [A-Z][\w.'’-]+){{0,3}}))(?!\w)"
            found = re.search(
                rf"\b(?P<noun>{DOCUMENT} )(?:only )?(?P<done>{done})by (?:the author |author )?{name}",
                self._text,
                re.IGNORECASE,
            )
            # "Articles by Heindel" may be by "Heindel, L." of a document: only who is known counts, unless it is said.
            if found and (found["done"] or found["value"].lower() in known):
                value = known.get(found["value"].lower(), found["value"])
                yield Constraint(
                    found.end("noun"), found.end(), (any_of(field.name, [value]),), f"{spoken(field.name)} = {value}"
                )

    def _beside_field(self) -> Iterator[Constraint]:
        """ "documents of the sales department", "what does the sales department say"."""
        for field in self._strings:
            known = {value.lower(): value for value in field.values}
            phrase = rf"(?:the )?(?P<value>{pattern_of(list(known))}) {pattern_of([spoken(field.name)])}(?:'s|’s)?\b"
            found = re.search(rf"\b{THE}{DOCUMENT} (?:of|from|by|in) {phrase}", self._text, re.IGNORECASE)
            found = found or re.search(rf"(?<=\bdoes ){phrase}(?= {_SAID}\b)", self._text, re.IGNORECASE)
            found = found or re.search(rf"(?<=\bdo ){phrase}(?= {_SAID}\b)", self._text, re.IGNORECASE)
            if found:
                value = known[found["value"].lower()]
                yield Constraint(
                    found.start(), found.end(), (any_of(field.name, [value]),), f"{spoken(field.name)} = {value}"
                )

    def _beside_noun(self) -> Iterator[Constraint]:
        """ "in the archived files"; a value that two fields have is asked back."""
        owners: dict[str, list[tuple[Field, str]]] = {}
        for field in self._strings:
            for value in field.values:
                owners.setdefault(value.lower(), []).append((field, value))
        pattern = rf"\b{_IN} (?P<phrase>{THE}(?P<value>{pattern_of(list(owners))}) {DOCUMENT}(?: only)?)\b"
        for found in re.finditer(pattern, self._text, re.IGNORECASE):
            several = owners[found["value"].lower()]
            if len(several) > 1:
                names = [spoken(field.name) for field, _ in several]
                texts = [
                    f"{self._text[: found.start('phrase')]}documents with {name} = {value}{self._text[found.end() :]}"
                    for name, (_, value) in zip(names, several, strict=True)
                ]
                raise UnclearError(Ambiguous(f"What is {several[0][1]}?", tuple(names), tuple(texts)))
            field, value = several[0]
            yield Constraint(
                found.start("phrase"), found.end(), (any_of(field.name, [value]),), f"{spoken(field.name)} = {value}"
            )

    def _dated(self) -> Iterator[Constraint]:
        """ "papers published between March 2021 and June 2022", "only documents from 2021"."""
        done = "|".join(_DONE)
        when = "|".join(f"(?P<{name}>{words})" for name, words in _WHEN)
        found = re.search(
            rf"(?:\b(?P<noun>{DOCUMENT})(?: only)?(?: that (?:are|were)| which (?:are|were))?|^|(?<=\bonly)) "
            rf"?(?:(?P<done>{done}) )?(?:{when}) "
            rf"(?P<a>{periods.PERIOD})(?: (?:and|to|until) (?P<b>{periods.PERIOD}))?",
            self._text,
            re.IGNORECASE,
        )
        if found is None or not (
            found["noun"] or found["done"] or self._text[: found.start()].lower().endswith("only")
        ):
            return
        first = periods.period_of(found["a"], self._today)
        last = periods.period_of(found["b"], self._today) if found["b"] else None
        if first is None:
            return
        operator = next(name for name, _ in _WHEN if found[name])
        start = found.start("done") if found["done"] else found.start(operator)
        if operator == "between" and last is None:
            if found["between"].lower() == "between":
                return
            operator = "in"  # "from 2021"
        time = periods.Time(operator, first, last)
        fields = self._of_time(found["done"], [first, *([last] if last else [])])
        end = found.end() if operator == "between" else found.end("a")
        if len(fields) > 1:
            names = [spoken(field.name) for field in fields]
            texts = [f"{self._text[:start]}with {name} {time.words}{self._text[end:]}" for name in names]
            raise UnclearError(Ambiguous(f"Which date is meant by “{time.words}”?", tuple(names), tuple(texts)))
        for field in fields:
            yield Constraint(start, end, (time.condition(field),), f"{spoken(field.name)} {time.words}")

    def _of_time(self, done: str | None, wanted: list[periods.Period]) -> list[Field]:
        """The fields that can be meant; those that are called like the verb before all others."""
        fields = [field for field in self._fields if periods.fits(field, *wanted)]
        root = _DONE.get((done or "").lower())
        called = [field for field in fields if root and root in field.name.lower()]
        return called or fields

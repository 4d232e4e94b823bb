"""Which fields documents have: kinds, values, bounds, tenants."""

import pytest

from ragents_server.index import fields as module
from ragents_server.index.fields import NAME, VALUE, VALUES, Field, Fields
from tests.index.places import Index, chunks, document


async def of(index: Index, *collections: str, tenant: str = "ada") -> dict[tuple[str, str], Field]:
    found = await Fields(index.pool).of(tenant, collections or ("notes",))
    return {(field.name, field.kind): field for field in found}


async def test_names_kinds_and_values_are_told(index: Index) -> None:
    await index.put("a", "Cats purr.", department="Legal", year=2020, draft=True, day="2020-05-01")
    await index.put("b", "Cats sleep.", department="Legal", year=2021, draft=False, day="2021-06")
    await index.put("c", "Cats eat.", department="sales", year="2021", tags=["x"], more={"a": 1}, none=None)
    found = await of(index)
    assert found["department", "string"] == Field("department", "string", ("Legal", "sales"), complete=True)
    assert found["year", "number"].values == ("2020", "2021")
    assert found["year", "string"] == Field("year", "string", ("2021",), complete=True, dates=True)
    assert found["draft", "bool"].values == ("false", "true")
    assert found["day", "string"].dates
    assert not found["department", "string"].dates
    assert found["media_type", "string"].values == ("text/plain",)
    assert {name for name, _ in found} == {"media_type", "department", "year", "draft", "day"}


async def test_the_document_s_own_type_is_told_and_not_a_field_that_hides_behind_it(index: Index) -> None:
    made = document("a", ["Cats purr."], metadata={"media_type": "fake", "name": "fake"})
    await index.documents.put("ada", made, chunks(["Cats purr."]))
    found = await of(index)
    assert found["media_type", "string"].values == ("text/plain",)
    assert "name" not in {name for name, _ in found}


async def test_another_tenant_s_and_other_collections_fields_are_not_told(index: Index) -> None:
    await index.put("a", "Cats purr.", mine=1)
    await index.put("a", "Cats purr.", tenant="eve", theirs=1)
    await index.put("a", "Cats purr.", collection="letters", other=1)
    assert {name for name, _ in await of(index)} == {"media_type", "mine"}
    assert {name for name, _ in await of(index, "notes", "letters")} == {"media_type", "mine", "other"}
    assert await of(index, "absent") == {}


async def test_names_values_and_fields_are_bounded(index: Index) -> None:
    for number in range(VALUES + 5):
        fields = {"kind": f"k{number:02}", "text": "x" * (VALUE + 1), "n" * (NAME + 1): 1}
        await index.put(f"d{number}", "Cats purr.", **fields)
    await index.put("wide", "Dogs bark.", **{f"field{number}": 1 for number in range(100)})
    found = await of(index)
    assert len(found[("kind", "string")].values) == VALUES
    assert not found["kind", "string"].complete
    assert found["text", "string"] == Field("text", "string")
    assert len(found) == module.FIELDS
    assert "n" * (NAME + 1) not in {name for name, _ in found}


async def test_a_sample_that_is_not_all_is_not_complete(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 4)
    for number in range(6):
        await index.put(f"d{number}", "Cats purr.", status="open")
    assert await of(index) == {
        ("media_type", "string"): Field("media_type", "string", ("text/plain",)),
        ("status", "string"): Field("status", "string", ("open",)),
    }


async def test_a_change_is_seen_at_once_and_what_did_not_change_is_read_once(index: Index) -> None:
    fields = Fields(index.pool)
    await index.put("a", "Cats purr.", one=1)
    first = await fields.of("ada", ["notes"])
    assert await fields.of("ada", ["notes"]) is first
    await index.put("b", "Cats sleep.", two=2)
    assert {field.name for field in await fields.of("ada", ["notes"])} == {"media_type", "one", "two"}


async def test_documents_are_found_by_name_in_any_case_and_without_their_folder(index: Index) -> None:
    for name in ("Reports/Plan.PDF", "plan.pdf", "other.pdf"):
        await index.put(name, f"The text of {name}.")
    await index.put("plan.pdf", "Hers.", tenant="eve")
    fields = Fields(index.pool)
    assert await fields.named("ada", ["notes"], ["PLAN.pdf"]) == ("Reports/Plan.PDF", "plan.pdf")
    assert await fields.named("ada", ["notes"], ["reports/plan.pdf"]) == ("Reports/Plan.PDF",)
    assert await fields.named("ada", ["absent"], ["plan.pdf"]) == ()
    assert await fields.named("ada", ["notes"], ["x' OR true --", "a\0b"]) == ()
    assert await fields.named("eve", ["notes"], ["other.pdf"]) == ()

"""Fits the extractive writer's refusal threshold on chunk-spans and banking questions."""

import argparse
import asyncio
import json
import math
import re
from collections import Counter
from pathlib import Path

import bm25s
import numpy as np

from ragents_server.index.terms import terms
from ragents_server.ingest.chunks import Cut, chunks
from ragents_server.ingest.loaded import Loaded
from ragents_server.models.minilm import MiniLM, count_tokens
from ragents_server.rag.extractive import THRESHOLD, Candidate, extract


class Corpus:
    """Named texts, chunked and indexed as the server does it, in memory."""

    async def load(self, texts: dict[str, str], model: MiniLM) -> "Corpus":
        found = [(name, c) for name, text in texts.items() for c in chunks(Loaded("", text), Cut(), count_tokens)]
        self.owners, self.chunks = np.array([name for name, _ in found]), [chunk for _, chunk in found]
        tokens = [terms(chunk.text) for chunk in self.chunks]
        self.seen, self.bm25 = Counter(term for each in tokens for term in set(each)), bm25s.BM25(k1=1.5, b=0.75)
        self.bm25.index(tokens, show_progress=False)
        self.vectors = await model.embed_passages([c.text for c in self.chunks], [c.sentences for c in self.chunks])
        return self

    def answer(self, question: str, vector: np.ndarray, without: str = "") -> float:
        asked, count = terms(question), len(self.chunks)
        idf = {t: math.log(1 + (count - self.seen[t] + 0.5) / (self.seen[t] + 0.5)) for t in asked}
        allowed, known = self.owners != without, [term for term in asked if term in self.seen]
        lexical = (self.bm25.get_scores(known) if known else np.zeros(count)) * allowed
        scale = math.sqrt(sum(idf[t] for t in asked) * lexical.max()) or 1.0
        fused = 0.4 * lexical / scale + 0.6 * np.stack([v.passage for v in self.vectors]) @ vector
        top = np.argsort(-np.where(allowed, fused, -9))[:5]
        found = [(self.chunks[i], self.vectors[i].sentences) for i in top]
        candidates = [Candidate(i, c.text, c.sentences, v, c.heading) for i, (c, v) in enumerate(found)]
        return extract(question, vector, candidates, idf).score


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def fit(data: Path, model: MiniLM) -> tuple[list[float], list[float]]:
    """Scores of questions whose article is there, and of those whose article is left out or that ask a bank."""
    wiki, speech = ((data / "chunk-spans/docs" / f"{n}.md").read_text() for n in ("wikitexts", "state_of_the_union"))
    cuts = [m.start() for m in re.finditer(r"(?m)^ = [^=;]+ = *$", wiki)]
    articles = {str(a): wiki[a:b] for a, b in zip(cuts, [*cuts[1:], len(wiki)], strict=True)}
    corpus = await Corpus().load({**articles, "speech": speech}, model)
    answerable, unanswerable, questions = [], [], rows(data / "chunk-spans/questions.jsonl")
    for question, vector in zip(questions, await model.embed_queries([q["question"] for q in questions]), strict=True):
        before = [cut for cut in cuts if cut <= question["spans"][0]["start"]]
        own = str(before[-1]) if question["doc"] == "wikitexts" else "speech"
        answerable.append(corpus.answer(question["question"], vector))
        unanswerable.append(corpus.answer(question["question"], vector, without=own))
    bank = [row["text"] for row in rows(data / "semcache-banking77/queries.jsonl")[::60]]
    unanswerable += [corpus.answer(q, v) for q, v in zip(bank, await model.embed_queries(bank), strict=True)]
    return answerable, unanswerable


async def main(data: Path) -> None:
    async with MiniLM.open() as model:
        yes, no = map(np.array, await fit(data, model))
    print(f"{len(yes)} answerable, {len(no)} unanswerable, AUC {(yes[:, None] > no).mean():.4f}")
    for share, mark in ((share, np.quantile(yes, share)) for share in (0.02, 0.05, 0.07, 0.1)):
        print(f"{share:.0%} false refusals: threshold {mark:.3f}, {(no < mark).mean():.1%} of the unanswerable refused")
    print(f"fitted threshold: {np.quantile(yes, 0.05):.2f}, in use: {THRESHOLD}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data")
    asyncio.run(main(parser.parse_args().data))

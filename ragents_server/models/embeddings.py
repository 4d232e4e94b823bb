"""The role `embeddings`: text in, unit vectors out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """A passage's unit vector, shape (dimension,), and one unit vector a sentence, shape (sentences, dimension)."""

    passage: Vectors
    sentences: Vectors


class Embeddings(Protocol):
    """What turns text into vectors; each collection stores `model` and `dimension` and refuses another."""

    model: str
    dimension: int
    max_tokens: int

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, shape (len(texts), dimension)."""
        ...

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        """Vectors of passages and of their sentences (character spans in each text)."""
        ...

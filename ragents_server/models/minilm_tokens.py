"""The tokens of the embedded embedding model, apart from the model: parsing processes count them without loading it.

`minilm_vocab.txt` is the uncased English vocabulary of Google's BERT (Apache-2.0), which the model was trained with.
"""

from functools import cache
from pathlib import Path

from tokenizers import BertWordPieceTokenizer

MAX_TOKENS = 256
"""What the model reads of a text; it was trained on no more."""


def count_tokens(text: str) -> int:
    """Tokens of `text` with the two that frame it; the model silently drops those beyond MAX_TOKENS."""
    return len(_counting().encode(text).ids)


@cache
def _counting() -> BertWordPieceTokenizer:
    return tokenizer()


def tokenizer() -> BertWordPieceTokenizer:
    """A new tokenizer that cuts nothing yet."""
    return BertWordPieceTokenizer(str(Path(__file__).with_name("minilm_vocab.txt")), lowercase=True)

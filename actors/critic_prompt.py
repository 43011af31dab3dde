"""A question as the tokens of the model's own chat template.

Much of a question is the system text, and equal for all drafts of a domain: its tokens are computed once. That is exact only at the
border of a special token, where a tokenizer starts afresh; a tokenizer for which it is not exact gets every question whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from labeling.rubric import ChatMessage
from rollouts.errors import UsageError

_DOMAINS = 64
# system texts whose tokens are kept: 10,000 tokens of a long policy take 80 kB
_PROBE: Sequence[ChatMessage] = (
    {"role": "system", "content": "Be brief.\n{"},
    {"role": "user", "content": '<conversation>\n{"role":"user"}\n</conversation>'},
)


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    @property
    def all_special_tokens(self) -> Sequence[str]: ...

    def apply_chat_template(self, conversation: Sequence[ChatMessage], **options: Any) -> Any: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, token_ids: Sequence[int]) -> str: ...


class PromptEncoder:
    def __init__(self, tokenizer: Tokenizer, *, model: str) -> None:
        """UsageError when the tokenizer has no chat template, or one that does not take the critic's messages."""
        if not getattr(tokenizer, "chat_template", None):
            raise UsageError(
                f"critic.model = {model!r} has a tokenizer without a chat template, so nobody knows how it is to be asked; use an "
                "instruction-tuned model, or write chat_template.jinja into its folder"
            )
        self._tokenizer = tokenizer
        self._kept = lru_cache(_DOMAINS)(self._tokens)
        try:
            text, begin = self._rendered(_PROBE)
        except Exception as error:
            # a template is a program of its author's and raises what it likes
            raise UsageError(
                f"critic.model = {model!r} has a chat template that refuses a system and a user message: {error}"
            ) from error
        self._splits = self._tokens(text[:begin]) + self._tokens(text[begin:]) == self._tokens(text)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        text, begin = self._rendered(messages)
        return self._kept(text[:begin]) + self._tokens(text[begin:]) if self._splits else self._tokens(text)

    def _tokens(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)
        # the template writes them

    def _rendered(self, messages: Sequence[ChatMessage]) -> tuple[str, int]:
        """The prompt's text, and where its first special token after the system text begins; 0 if that cannot be told."""
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        # a critic answers at once; templates that know no thinking ignore the word
        system = messages[0]["content"]
        end = text.find(system) + len(system)
        borders = [text.find(token, end) for token in self._tokenizer.all_special_tokens if token]
        found = [border for border in borders if border >= 0]
        return text, min(found) if system in text and found else 0


def score_tokens(tokenizer: Tokenizer, words: Sequence[str], *, model: str) -> dict[int, str]:
    """Token → the text it stands for, for each word as one token, with and without a leading space.

    UsageError for a word that is no single token.
    """
    found: dict[int, str] = {}
    for word in words:
        spellings = {text: tokenizer.encode(text, add_special_tokens=False) for text in (word, f" {word}")}
        single = {tokens[0]: text for text, tokens in spellings.items() if len(tokens) == 1}
        single = {token: text for token, text in single.items() if tokenizer.decode([token]).strip() == word}
        if not single:
            raise UsageError(
                f'critic.mode = "score" reads the probability of the word {word!r}, but the tokenizer of {model!r} makes '
                f'{len(spellings[word])} tokens of it; use critic.mode = "critique", which needs no single-token words, or a '
                f"model whose tokenizer knows {' and '.join(map(repr, words))} as one token each"
            )
        found |= single
    return found

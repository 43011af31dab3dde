"""An evaluation for people: a column for each arm, a row for each measure. It formats `storage.evaluations.result_record`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.display import cost_text, count_text

Record = Mapping[str, Any]


def report_heading(record: Record) -> str:
    tasks = ", ".join(f"{count} {split}" for split, count in record["tasks"].items())
    return (
        f"{record['evaluation_id']}: {tasks} tasks of {record['environment']} {record['domain']}, "
        f"{record['trials']} trials each; {100 * record['confidence']:g} % intervals"
    )


def report_rows(record: Record) -> list[list[str]]:
    """The first row is the heading; the first cell of each is what it tells."""
    arms, num_tasks = record["arms"], sum(record["tasks"].values())
    measures: list[tuple[str, Callable[[Record], str]]] = [
        *[(f"pass^{told['k']}", _pass_text(row, num_tasks)) for row, told in enumerate(arms[0]["pass"])],
        (f"against {record['baseline']}", lambda arm: _compared(arm, _difference_text)),
        ("helpfulness", lambda arm: _compared(arm, lambda compared: _turned_text(compared["helpfulness"]))),
        ("harmfulness", lambda arm: _compared(arm, lambda compared: _turned_text(compared["harmfulness"]))),
        ("mean return", lambda arm: "-" if arm["mean_return"] is None else f"{arm['mean_return']:.3f}"),
        ("revisions per episode", lambda arm: _mean_text(arm, "revisions")),
        ("calls per episode", _calls_text),
        ("tokens per episode", lambda arm: _mean_text(arm, "tokens")),
        ("cost", lambda arm: _cost(arm["cost_usd"])),
        ("cost per solved task", lambda arm: _cost(arm["cost_per_solved_usd"])),
        ("episodes", _episodes_text),
        ("failed", lambda arm: _counted(arm["episodes"]["failed"])),
        ("missing", lambda arm: _counted(arm["episodes"]["missing"])),
        ("run", lambda arm: f"{arm['run_id']}: {arm['state']}"),
    ]
    return [["", *(arm["arm"] for arm in arms)], *[[name, *map(tell, arms)] for name, tell in measures]]


def print_report(record: Record, stream: TextIO) -> None:
    """A table on a terminal; elsewhere one line a row, never wrapped, so that it can be searched and copied."""
    heading, *rows = report_rows(record)
    print(report_heading(record), file=stream)
    if stream.isatty():
        table = Table()
        for cell in heading:
            table.add_column(Text(cell))
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console(file=stream).print(table)
        return
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    for row in (heading, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip(), file=stream)
    stream.flush()


# -- cells ------------------------------------------------------------------------------------------------------------


def _pass_text(row: int, num_tasks: int) -> Callable[[Record], str]:
    def tell(arm: Record) -> str:
        passed = arm["pass"][row]
        fewer = f" ({passed['tasks']} tasks)" if passed["tasks"] < num_tasks else ""
        return f"{_share_text(passed)}{fewer}"

    return tell


def _share_text(share: Record) -> str:
    """ "52.5% [43.1, 61.9]"."""
    if share["mean"] is None:
        return "-"
    return f"{share['mean']:.1%} [{share['lower']:.1%}, {share['upper']:.1%}]".replace("%,", ",").replace("%]", "]")


def _compared(arm: Record, tell: Callable[[Record], str]) -> str:
    return "-" if arm["comparison"] is None else tell(arm["comparison"])


def _difference_text(compared: Record) -> str:
    """In percentage points."""
    difference = compared["difference"]
    if difference is None:
        return "-"
    mean, lower, upper = (100 * difference[name] for name in ("mean", "lower", "upper"))
    return f"{mean:+.1f} [{lower:+.1f}, {upper:+.1f}] points"


def _turned_text(turned: Record) -> str:
    return f"{turned['count']} of {turned['of']}" + (f": {_share_text(turned)}" if turned["of"] else "")


def _mean_text(arm: Record, name: str) -> str:
    means = arm["per_episode"]
    return "-" if means is None else f"{means[name]:,.1f}"


def _calls_text(arm: Record) -> str:
    if arm["per_episode"] is None:
        return "-"
    roles = [role for role in ("actor", "user", "critic", "judge") if arm["llm_calls"][role]]
    return ", ".join(f"{role} {_mean_text(arm, f'{role}_calls')}" for role in roles)


def _cost(cost_usd: float | None) -> str:
    return "unknown" if cost_usd is None else cost_text(cost_usd)


def _episodes_text(arm: Record) -> str:
    episodes = arm["episodes"]
    return f"{count_text(episodes['solved'])} solved of {count_text(episodes['scored'])}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count_text(count)}" for name, count in counts.items()) or "0"

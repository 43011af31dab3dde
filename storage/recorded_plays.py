"""What a run's tables tell of how its tasks were played: the figures that a forecast of another run starts from.

Only whole trees count: one that was cut short at a limit would make every tree look small. A trunk that failed for reasons of ours
says nothing of how long trunks are, so it gives no script; what its calls were is counted all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from rollouts.episode import StepKind
from rollouts.forecasting.predict import RoleFigures
from rollouts.forecasting.profiles import CallRates, Chances, Role, Script, TaskProfile
from rollouts.forecasting.recorded import RecordedPlays, RoleRecord, TreeSizes
from storage.reader import scan

_PLAY = ["item_id", "episode_path"]
_COUNTS = ("actor_calls", "user_calls", "critic_calls", "judge_calls")


def read_recorded_plays(
    root: str, run_id: str, *, items: Collection[str], endpoint_url: str = ""
) -> RecordedPlays | None:
    """Of these items' trees; None where they hold no trunk that was played to its end."""
    tables = _Tables(root, run_id, items, endpoint_url)
    steps = tables.rows("steps", *_PLAY, "step", "kind", "num_revise", "fork_draws", "fork_spend")
    episodes = tables.rows("episodes", *_PLAY, "task_id", "is_trunk", "outcome", "success", "num_steps", *_COUNTS)
    tasks = _tasks(episodes, steps)
    if not tasks:
        return None
    verdicts = tables.rows("critiques", "verdict")["verdict"].drop_nulls()
    values = tables.rows("values", *_PLAY, "step", "kind", "draws", "multiplicity", "action_index")
    trunks, branches = episodes.filter("is_trunk"), episodes.filter(~pl.col("is_trunk"))
    forks = steps.filter(pl.col("fork_draws").is_not_null())
    return RecordedPlays(
        run_id=run_id,
        tasks=tasks,
        chances=Chances(same_draft=_same_draft(values), same_answer=1.0, objection=_objection(steps, trunks, verdicts)),
        rates=_rates(trunks, steps.join(trunks.select(_PLAY), on=_PLAY), forks),
        roles=_roles(tables.rows("calls", "role", "model", "step", *_ANSWERED)),
        sizes=TreeSizes(
            num_trees=episodes["item_id"].n_unique(),
            branches=branches.height,
            branch_steps=int(branches["num_steps"].sum()),
            forks=forks.height,
            draws=int(forks["fork_draws"].sum()) - forks.height,
        ),
    )


_ANSWERED = ("prompt_tokens", "completion_tokens", "cached_tokens", "latency_s")


class _Tables:
    def __init__(self, root: str, run_id: str, items: Collection[str], endpoint_url: str) -> None:
        self._root, self._run_id, self._items, self._endpoint_url = root, run_id, list(items), endpoint_url

    def rows(self, table: str, *columns: str) -> pl.DataFrame:
        """The items' rows, these columns only."""
        found = scan(self._root, table, run_id=self._run_id, endpoint_url=self._endpoint_url)
        return found.filter(pl.col("item_id").is_in(self._items)).select(columns).collect()


# -- how trees grow ---------------------------------------------------------------------------------------------------


def _tasks(episodes: pl.DataFrame, steps: pl.DataFrame) -> dict[str, TaskProfile]:
    played = episodes.filter(pl.col("is_trunk") & (pl.col("outcome") == "finished"))
    kinds = steps.sort("step").group_by(_PLAY, maintain_order=True).agg("kind")
    rows = played.join(kinds, on=_PLAY).sort(*_PLAY).select("task_id", "kind", "success")
    scripts: dict[str, list[Script]] = {}
    for task_id, kind, success in rows.iter_rows():
        scripts.setdefault(task_id, []).append(Script(kinds=tuple(kind), solved=bool(success)))
    return {task_id: TaskProfile(scripts=tuple(played)) for task_id, played in scripts.items()}


def _same_draft(values: pl.DataFrame) -> dict[StepKind, float]:
    """Equal pairs among all pairs of drafts at forks, by the kind of the forked step's own action."""
    times, draws = pl.col("multiplicity"), pl.col("draws")
    forks = (
        values.sort("action_index")
        .group_by(*_PLAY, "step", maintain_order=True)
        .agg(
            pl.col("kind").first(),
            (times * (times - 1)).sum().alias("equal"),
            (draws * (draws - 1)).first().alias("pairs"),
        )
    )
    shares = forks.group_by("kind").agg(pl.col("equal", "pairs").sum()).filter(pl.col("pairs") > 0)
    return {kind: equal / pairs for kind, equal, pairs in shares.select("kind", "equal", "pairs").iter_rows()}


def _objection(steps: pl.DataFrame, trunks: pl.DataFrame, verdicts: pl.Series) -> float:
    """Of the critic's verdicts, on trunks' drafts and on forks' actions; 0 where it gave none."""
    judged = int(trunks["critic_calls"].sum()) + len(verdicts)
    objections = int(steps.join(trunks.select(_PLAY), on=_PLAY)["num_revise"].sum()) + int((verdicts == "revise").sum())
    return min(1.0, objections / judged) if judged else 0.0


def _rates(trunks: pl.DataFrame, steps: pl.DataFrame, forks: pl.DataFrame) -> CallRates:
    """By the trunks, whose every turn is the actor's own, and by the forks. `steps` are the trunks'."""
    made = {name: int(trunks[name].sum()) for name in _COUNTS}
    messages = int((steps["kind"] == "message").sum())
    drawn = int(forks["fork_draws"].sum()) - forks.height
    spent = [spend for spend in forks["fork_spend"] if spend is not None]
    draws = sum(spend["actor_calls"] for spend in spent)
    questions = sum(spend["critic_calls"] for spend in spent)
    return CallRates(
        per_turn={
            "act": _ratio(made["actor_calls"], steps.height),
            "review": _ratio(made["critic_calls"], steps.height),
            "draw": _ratio(draws, drawn) if drawn else 1.0,
            "open": 1.0,
            "answer": _ratio(max(0, made["user_calls"] - trunks.height), messages),
            "question": 1.0 if made["critic_calls"] or questions else 0.0,
            "rule": _ratio(made["judge_calls"], trunks.height),
        }
    )


# -- what calls take --------------------------------------------------------------------------------------------------


def _roles(calls: pl.DataFrame) -> dict[Role, RoleRecord]:
    return {role: _role(rows) for (role,), rows in calls.group_by("role", maintain_order=True)}


def _role(calls: pl.DataFrame) -> RoleRecord:
    """The prompt as a line over the step, by least squares."""
    models = calls.group_by("model").len().sort("len", "model", descending=True)
    prompt, step = calls["prompt_tokens"], calls["step"].cast(pl.Float64)
    spread = float(((step - _mean(step)) ** 2).sum())
    growth = float(((step - _mean(step)) * (prompt - _mean(prompt))).sum()) / spread if spread else 0.0
    return RoleRecord(
        model=models["model"][0],
        num_calls=calls.height,
        figures=RoleFigures(
            prompt_tokens=_mean(prompt) - growth * _mean(step),
            tokens_per_step=growth,
            completion_tokens=_mean(calls["completion_tokens"]),
            cached_share=_cached_share(calls),
            latency_s=_mean(calls["latency_s"]),
        ),
    )


def _cached_share(calls: pl.DataFrame) -> float | None:
    """None where no call had any: an endpoint that does not count them says the same."""
    cached, prompt = int(calls["cached_tokens"].sum()), int(calls["prompt_tokens"].sum())
    return cached / prompt if cached and prompt else None


def _mean(column: pl.Series) -> float:
    mean: Any = column.mean()
    return float(mean)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

"""`treeroll evaluate`: play every arm as a run of its own, then compare what is in the tables.

So an evaluation inherits what runs guarantee: what is published is never played again, failures are records, limits stop an arm
cleanly. Typed again it goes on where it stopped; an arm that is finished is only read. Limits hold for each arm by itself.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from infra.casting import check_keys
from infra.config import as_override
from infra.display import make_display
from infra.evaluation_config import Evaluation, load_evaluation
from infra.evaluation_report import print_report
from infra.launch import Prepared, play, prepare
from infra.runs import read_status
from labeling.evaluation.resampling import Resampling
from labeling.evaluation.summary import evaluated
from storage.evaluations import ArmRun, EvaluationResult, publish_result, result_record
from storage.trials import read_trials

INTERRUPTED = 130
_GRAVEST_FIRST = (1, 3, 0)


def evaluate(
    config: Path | str, *, overrides: Sequence[str] = (), root: str | None = None, name: str | None, as_json: bool
) -> int:
    """Exit code 0: every arm is complete; 1: some tasks of an arm failed; 3: an arm stopped at its limit; 130: interrupted.

    With `as_json` only the result goes to standard output, everything else to standard error. UsageError before anything is
    played when the evaluation cannot be played as asked.
    """
    where = [as_override("storage.root", root)] if root is not None else []
    evaluation = load_evaluation(config, overrides=[*overrides, *where], name=name)
    stream = sys.stderr if as_json else sys.stdout
    runs = _prepare(evaluation)
    try:
        code = _play(runs, stream)
    except KeyboardInterrupt:  # between two arms
        code = INTERRUPTED
    if code == INTERRUPTED:
        print("interrupted; the same command goes on from here", file=stream)
        return code
    result = compare(evaluation, runs)
    record, kept_at = result_record(result), publish_result(next(iter(runs.values())).store, result)
    if as_json:
        print(json.dumps(record, indent=1))
    else:
        print_report(record, stream)
        print(f"kept at {kept_at}", file=stream)
    return code


def _prepare(evaluation: Evaluation) -> dict[str, Prepared]:
    """Arm → its run. All keys are asked for first, so that a missing one is told before a record is written."""
    for arm in evaluation.arms:
        check_keys(arm.config)
    return {
        arm.name: prepare(arm.config, name=arm.run_id, run_id=arm.run_id, allow_test=True) for arm in evaluation.arms
    }


def _play(runs: dict[str, Prepared], stream: TextIO) -> int:
    """The gravest exit code of the arms that had something left to play."""
    codes = [0]
    for arm, run in runs.items():
        done, total = len(run.items) - len(run.left), len(run.items)
        if not run.left:
            print(f"arm {arm}: all {total} tasks are played", file=stream)
            continue
        print(f"arm {arm}: {total - done} of {total} tasks to play, as run {run.run_id}", file=stream)
        ended = play(run, make_display(stream))
        if ended.why:
            print(f"arm {arm}: {ended.how}: {ended.why}; the same command goes on with it", file=stream)
        if ended.exit_code == INTERRUPTED or ended.asked_to_stop:
            # the arm may have been finished all the same; the next one shall not begin
            return INTERRUPTED
        codes.append(ended.exit_code)
    return next(code for code in _GRAVEST_FIRST if code in codes)


def compare(evaluation: Evaluation, runs: dict[str, Prepared]) -> EvaluationResult:
    """What the arms' published rows say so far."""
    config, items = evaluation.arms[0].config, next(iter(runs.values())).items
    trials = {
        arm: read_trials(
            config.storage.root, run.run_id, num_trials=evaluation.trials, endpoint_url=config.storage.endpoint_url
        )
        for arm, run in runs.items()
    }
    resampling = Resampling(level=evaluation.confidence, resamples=evaluation.resamples, seed=config.run.seed)
    return EvaluationResult(
        evaluation_id=evaluation.evaluation_id,
        environment=config.tasks.environment,
        domain=config.tasks.domain,
        tasks=Counter(item.task.split for item in items),
        seed=config.run.seed,
        num_trials=evaluation.trials,
        baseline=evaluation.baseline,
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        runs=tuple(_arm_run(arm, run) for arm, run in runs.items()),
        findings=evaluated(trials, baseline=evaluation.baseline, num_trials=evaluation.trials, resampling=resampling),
    )


def _arm_run(arm: str, run: Prepared) -> ArmRun:
    status = read_status(run.store, run.run_id)
    return ArmRun(arm=arm, run_id=run.run_id, state=status.state, content_hash=status.content_hash)

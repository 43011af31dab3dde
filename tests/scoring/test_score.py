"""`treeroll score`: every draft once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from infra.score_asking import OutOfReach
from rollouts.errors import DataError, UsageError
from storage.local_objects import LocalObjectStore
from storage.objects import open_store
from storage.reader import scan
from storage.verify import verify_run
from tests.scoring.endpoint import Endpoint, serving
from tests.scoring.runs import SCRIPTED, begin, chat, end, record_run, scored, typed

DRAFT = ["item_id", "state_key", "action_key"]
_UNREADABLE = pl.col("verdict").is_null() & pl.col("failure_kind").is_null()


def _drafts(root: str) -> pl.DataFrame:
    """What is to be scored: the different drafts of all steps."""
    return scan(root, "steps").select(DRAFT).unique().sort(DRAFT).collect()


def _num_verdicts(root: str) -> int:
    return scan(root, "verdicts").collect().height


def _is_sound(root: str) -> bool:
    return verify_run(open_store(root), "recorded").problems == ()


async def test_every_draft_is_scored_once(recorded: str) -> None:
    before = verify_run(open_store(recorded), "recorded").content_hash
    record = await scored(recorded, SCRIPTED)
    verdicts = scan(recorded, "verdicts").collect()
    assert verdicts.select(DRAFT).sort(DRAFT).equals(_drafts(recorded))
    assert record["session"]["drafts"] == record["verdicts"]["drafts"] == verdicts.height
    assert int(verdicts["num_steps"].sum()) == scan(recorded, "steps").collect().height
    assert _is_sound(recorded)
    assert verify_run(open_store(recorded), "recorded").content_hash == before
    # what a run says does not change when it is scored


async def test_typed_again_it_does_nothing_and_says_so(recorded: str) -> None:
    await scored(recorded, SCRIPTED)
    before = {path: path.stat().st_mtime_ns for path in Path(recorded).rglob("*") if path.is_file()}
    again = await typed(recorded, SCRIPTED)
    assert again.code == 0
    assert "nothing to do" in again.out
    assert {path: path.stat().st_mtime_ns for path in Path(recorded).rglob("*") if path.is_file()} == before


async def test_the_agreement_is_that_of_the_tables(recorded: str) -> None:
    record = await scored(recorded, SCRIPTED)
    [found] = record["agreement"].values()
    keys = [*DRAFT, "run_id"]
    labels = scan(recorded, "labels").filter(pl.col("label") != "abstain")
    both = labels.join(scan(recorded, "verdicts").select(*keys, "verdict"), on=keys).collect()
    assert both.height == labels.collect().height > 20
    assert found["accuracy"]["mean"] == (both["label"] == both["verdict"]).mean()
    assert (found["auc"], found["brier"], found["calibration"]) == (None, None, ())


async def test_the_content_does_not_depend_on_batches_or_on_how_many_are_asked_at_once(
    recorded: str, recorded_once: Path, tmp_path: Path
) -> None:
    other = str(shutil.copytree(recorded_once, tmp_path / "other"))
    async with serving(Endpoint(unclear=0.1, too_long=0.1)) as endpoint:
        whole = await scored(recorded, chat(endpoint.base_url))
        pieces = await scored(other, chat(endpoint.base_url), "run.max_in_flight=3", batch=7)
    rows = scan(recorded, "verdicts").sort(DRAFT).collect()
    assert pieces["batches"] == -(-rows.height // 7) > whole["batches"] == 1
    assert pieces["content_hash"] == whole["content_hash"]
    assert scan(other, "verdicts").sort(DRAFT).collect().equals(rows)
    assert whole["verdicts"]["unreadable"] == rows.filter(_UNREADABLE).height > 0
    [found] = whole["agreement"].values()
    assert found["auc"] is not None
    assert sum(each["count"] for each in found["calibration"]) == sum(map(_total, found["confusion"].values()))


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


async def test_a_question_that_cannot_be_answered_is_recorded_and_not_asked_again(recorded: str) -> None:
    async with serving(Endpoint(too_long=0.2)) as endpoint:
        record = await scored(recorded, chat(endpoint.base_url))
        await scored(recorded, chat(endpoint.base_url))
        assert endpoint.asked.total() == _drafts(recorded).height
    failed = scan(recorded, "verdicts").drop_nulls("failure_kind").collect()
    assert record["verdicts"]["failed"] == {"context_length": failed.height}
    assert failed["verdict"].null_count() == failed["score"].null_count() == failed.height > 0


@pytest.mark.slow
async def test_killed_in_the_middle_it_goes_on_and_repeats_at_most_one_batch(
    recorded: str, recorded_once: Path, tmp_path: Path
) -> None:
    undisturbed, batch = str(shutil.copytree(recorded_once, tmp_path / "undisturbed")), 20
    async with serving(Endpoint(latency_s=0.002)) as endpoint:
        critic = chat(endpoint.base_url)
        expected = await scored(undisturbed, critic, batch=batch)
        endpoint.forget()
        process = await begin(recorded, critic, "--batch", str(batch), "--set", "run.max_in_flight=5")
        endpoint.on_question = lambda answered: process.send_signal(signal.SIGKILL) if answered == 70 else None
        assert (await end(process)).code == -signal.SIGKILL
        endpoint.on_question = lambda answered: None
        assert 0 < _num_verdicts(recorded) < 70
        finished = await scored(recorded, critic, batch=batch)
        assert 0 < endpoint.asked.total() - expected["verdicts"]["drafts"] <= batch
    assert finished["content_hash"] == expected["content_hash"]
    assert finished["session"]["drafts"] + 60 == expected["session"]["drafts"]
    assert _is_sound(recorded)


async def test_two_critics_score_one_run_side_by_side(recorded: str) -> None:
    async with serving(Endpoint()) as endpoint:
        every: tuple[Mapping[str, Any], ...] = await asyncio.gather(
            scored(recorded, SCRIPTED),
            scored(recorded, chat(endpoint.base_url), batch=30),
            scored(recorded, chat(endpoint.base_url, mode="critique"), batch=30),
        )
    verdicts = scan(recorded, "verdicts").collect()
    counts = dict(verdicts["scorer"].value_counts().iter_rows())
    assert counts == {record["scorer"]: _drafts(recorded).height for record in every}
    assert len(counts) == 3
    assert verdicts.filter(scorer=every[2]["scorer"])["feedback"].drop_nulls().str.starts_with("Not with").all()
    assert _is_sound(recorded)


async def test_of_two_scorings_by_one_critic_one_gives_way(recorded: str) -> None:
    async with serving(Endpoint()) as endpoint:
        both = [scored(recorded, chat(endpoint.base_url), batch=10) for _ in range(2)]
        ended = await asyncio.gather(*both, return_exceptions=True)
    [refused] = [each for each in ended if isinstance(each, BaseException)]
    assert isinstance(refused, UsageError)
    assert "another process scores run recorded" in str(refused)
    assert _num_verdicts(recorded) == _drafts(recorded).height
    assert _is_sound(recorded)


async def test_an_endpoint_that_is_out_stops_the_scoring_which_goes_on_later(recorded: str) -> None:
    async with serving(Endpoint()) as endpoint:
        critic = chat(endpoint.base_url, max_retries=0)

        def break_down(answered: int) -> None:
            endpoint.out = answered == 50

        endpoint.on_question = break_down
        with pytest.raises(OutOfReach, match="no capacity"):
            await scored(recorded, critic, "run.max_in_flight=1", batch=20)
        assert _num_verdicts(recorded) == 40
        out = await typed(recorded, critic, "--batch", "20")
        assert out.code == 3
        assert "scoring stopped" in out.out
        assert "the same command goes on from here" in out.out
        endpoint.out, endpoint.on_question = False, lambda answered: None
        await scored(recorded, critic, batch=20)
        assert endpoint.asked.total() - _drafts(recorded).height <= 20
    assert _num_verdicts(recorded) == _drafts(recorded).height


class Full(LocalObjectStore):
    """Takes nothing."""

    def put(self, key: str, data: bytes) -> None:
        raise DataError("no space left on device")


async def test_a_store_that_takes_nothing_stops_the_scoring_which_goes_on_later(recorded: str) -> None:
    with pytest.raises(OutOfReach, match="no space left"):
        await scored(recorded, SCRIPTED, store=Full(recorded))
    assert _num_verdicts(recorded) == 0
    await scored(recorded, SCRIPTED)
    assert _num_verdicts(recorded) == _drafts(recorded).height


async def test_a_wrong_key_ends_it_at_once_and_is_not_shown(recorded: str) -> None:
    async with serving(Endpoint(key="the-right-one")) as endpoint:
        critic = chat(endpoint.base_url, api_key_env="SCORING_KEY")
        with pytest.raises(UsageError, match="SCORING_KEY"):
            await scored(recorded, critic)
        env = {**os.environ, "SCORING_KEY": "a-secret-that-is-wrong"}
        wrong = await typed(recorded, critic, "--set", "run.max_in_flight=4", env=env)
        assert endpoint.refused <= 4
        assert endpoint.asked.total() == 0
    assert wrong.code == 1
    assert "401" in wrong.err
    assert "a-secret" not in wrong.out + wrong.err
    assert _num_verdicts(recorded) == 0


async def test_where_every_question_is_rejected_nothing_is_kept(recorded: str) -> None:
    async with serving(Endpoint(too_long=1.0, refusal="bad_parameter")) as endpoint:
        with pytest.raises(DataError, match="all 20 questions of a batch were rejected, nothing of it was kept"):
            await scored(recorded, chat(endpoint.base_url), batch=20)
    assert _num_verdicts(recorded) == 0


async def test_interrupted_it_keeps_what_it_has_and_ends_with_130(recorded: str) -> None:
    async with serving(Endpoint(latency_s=0.01)) as endpoint:
        process = await begin(recorded, chat(endpoint.base_url), "--batch", "10", "--set", "run.max_in_flight=2")
        endpoint.on_question = lambda answered: process.terminate() if answered == 25 else None
        ended = await end(process)
    assert ended.code == 130
    assert "scoring interrupted" in ended.out
    assert _num_verdicts(recorded) == 20


def test_a_run_that_is_not_finished_is_scored_as_far_as_it_is_and_later_the_rest(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    assert record_run(Path(root), "limits.calls=700", "run.max_in_flight=1").how == "stopped"
    some = asyncio.run(scored(root, SCRIPTED, batch=50))
    assert 0 < some["items"]["scored"] == some["items"]["published"] < some["items"]["planned"]
    assert record_run(Path(root)).how == "complete"
    rest = asyncio.run(scored(root, SCRIPTED, batch=50))
    assert rest["items"]["scored"] == rest["items"]["planned"]
    assert rest["session"]["drafts"] == rest["verdicts"]["drafts"] - some["verdicts"]["drafts"] > 0
    assert _is_sound(root)

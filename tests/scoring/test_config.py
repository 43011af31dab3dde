"""Who scores, by a configuration that may be a run's, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.casting import identities
from infra.config import RunConfig
from infra.score_config import score_config
from rollouts.errors import UsageError
from storage.objects import open_store
from storage.runs import RunRecord, read_run
from tests.scoring.runs import RECORDED, chat

WORDS = 'kind = "chat"\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "judge"\n'


@pytest.fixture
def record(recorded_once: Path) -> RunRecord:
    return read_run(open_store(str(recorded_once)), "recorded")


@pytest.fixture
def configured(record: RunRecord, tmp_path: Path):  # type: ignore[no-untyped-def]
    def configure(text: str, *overrides: str) -> RunConfig:
        path = tmp_path / "critic.toml"
        path.write_text(text)
        return score_config(path, record=record, overrides=overrides, root=str(tmp_path), endpoint_url="")

    return configure


def test_the_configuration_of_a_run_serves_as_it_is(configured) -> None:  # type: ignore[no-untyped-def]
    text = RECORDED + '[critic]\nreview = "all"\nmax_revisions = 2\nmode = "score"\nthreshold = 0.7\n' + WORDS
    config = configured(text.replace("trunks = 2", "trunks = 3"))
    assert identities(config)["critic"].endswith("prompt=score-1/threshold=0.7")
    assert config.tasks.domain == "late_error"


def test_how_many_are_asked_at_once_comes_from_the_file_or_the_command_line(configured) -> None:  # type: ignore[no-untyped-def]
    text = chat("http://127.0.0.1:1/v1") + "[run]\nmax_in_flight = 9\n"
    assert configured(text).run.max_in_flight == 9
    assert configured(text, "run.max_in_flight=3", "critic.threshold=0.9").critic.threshold == 0.9


def test_the_engine_needs_a_cluster_even_where_the_run_was_played_without_one(configured) -> None:  # type: ignore[no-untyped-def]
    config = configured('[critic]\nkind = "vllm"\nmodel = "some/critic"\nmode = "score"\n')
    assert config.run.pool == "ray"


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("[actor]\n", (), 'critic.kind = "chat" or "vllm"'),
        ('[critic]\nkind = "none"\n', (), '"none" judges nothing'),
        ('[critic]\nkind = "self"\n', (), "was acted by stand-ins"),
        ('[critic]\nkind = "chat"\n', (), "critic.base_url"),
        ("[critic\n", (), "is not valid TOML"),
        ('[critic]\nkind = "scripted"\nmodel = "x"\n', (), "critic.model"),
        ('[critic]\nkind = "scripted"\n', ("branching.width=3",), "--set branching.width has no effect on a scoring"),
        ('[critic]\nkind = "scripted"\n', ("critic.review=all",), "--set critic.review has no effect on a scoring"),
    ],
)
def test_what_cannot_score_is_refused_by_name(configured, text: str, overrides: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as refused:
        configured(text, *overrides)
    assert said in str(refused.value)

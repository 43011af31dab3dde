"""`treeroll`: the command line. Names, options and exit codes are a contract that scripts rely on.

Exit codes are in `infra.cli_frame`, with the options that commands share.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.cli_frame import (
    DEFAULT_ROOT,
    AsJson,
    Command,
    Config,
    ConfigRoot,
    EndpointUrl,
    Root,
    Run,
    RunId,
    Set,
    guarded,
    print_rows,
)
from infra.config import RunConfig, as_override, load_config, overridden, parse_config
from rollouts.errors import UsageError

BATCH_DRAFTS = 1024
# several times as many as are asked at once: at the end of each batch ever fewer are under way

app = typer.Typer(
    name="treeroll",
    help="Play customer-service episodes, fork them at their steps, and make training data for critics of LLM agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

tasks_app = typer.Typer(name="tasks", help="Make tasks beyond those that a benchmark has.", no_args_is_help=True)
app.add_typer(tasks_app)


def _command(function: Command) -> Command:
    return app.command()(guarded(function))


def _configured(config: str, overrides: list[str] | None, root: str | None) -> RunConfig:
    chosen = [*(overrides or []), *([as_override("storage.root", root)] if root is not None else [])]
    return load_config(config, overrides=chosen)


# -- play -------------------------------------------------------------------------------------------------------------


@_command
def plan(
    config: Config,
    set_: Set = None,
    root: ConfigRoot = None,
    run_id: RunId = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like", metavar="RUN", help="The run of the root to take figures from.", show_default="the most alike"
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say what a run would play and what it would take, without playing or writing anything."""
    from infra.forecast import forecast
    from infra.forecast_text import forecast_rows
    from infra.pipeline import open_environment, open_root
    from infra.pipeline import plan as make_items

    configured = _configured(config, set_, root)
    world = open_environment(configured)
    items = make_items(configured, world)
    told = forecast(configured, items, world, open_root(configured), name=Path(config).stem, run_id=run_id, like=like)
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        print_rows(forecast_rows(told))
    return 0


@_command
def run(config: Config, set_: Set = None, root: ConfigRoot = None, run_id: RunId = None) -> int:
    """Play a configuration to its end. Typed again it goes on where it stopped; a finished run is left alone."""
    configured = _configured(config, set_, root)
    return _play(configured, name=Path(config).stem, run_id=run_id)


@_command
def resume(run: Run = None, root: Root = DEFAULT_ROOT, endpoint_url: EndpointUrl = "", set_: Set = None) -> int:
    """Go on with a run from its stored configuration; `--set` may change limits, workers and the pool."""
    from infra.runs import resolve_run
    from storage.objects import open_store
    from storage.runs import read_run

    store = open_store(root, endpoint_url=endpoint_url)
    record = read_run(store, resolve_run(store, run, root=root))
    moved = [as_override("storage.root", root), as_override("storage.endpoint_url", endpoint_url)]
    config = parse_config(overridden(record.config, [*(set_ or []), *moved]), source=f"run {record.run_id}")
    return _play(config, name=record.run_id, run_id=record.run_id)


def _play(config: RunConfig, *, name: str, run_id: str | None) -> int:
    from infra.display import make_display
    from infra.launch import play, prepare
    from infra.outcome import print_outcome

    prepared = prepare(config, name=name, run_id=run_id)
    if not prepared.left:
        print(f"run {prepared.run_id} is finished: {len(prepared.items)} of {len(prepared.items)} tasks; nothing to do")
        return 0
    print(
        f"run {prepared.run_id}: {len(prepared.left)} of {len(prepared.items)} tasks to play, into {config.storage.root}"
    )
    ended = play(prepared, make_display(sys.stdout))
    print_outcome(prepared, ended, sys.stdout)
    return ended.exit_code


@_command
def evaluate(
    config: Config,
    set_: Set = None,
    root: ConfigRoot = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Begins the ids of the evaluation and its runs.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Play the arms of an [evaluation] on the same tasks and seeds, and compare them. Typed again it goes on."""
    from infra.evaluate import evaluate as evaluate_arms

    return evaluate_arms(config, overrides=set_ or [], root=root, name=name, as_json=as_json)


@_command
def score(
    run: Run = None,
    critic: Annotated[
        str, typer.Option("--critic", metavar="CONFIG", help="A TOML file or preset with a [critic] section.")
    ] = "",
    root: Root = DEFAULT_ROOT,
    endpoint_url: EndpointUrl = "",
    set_: Set = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Drafts published at once; a kill loses no more.")
    ] = BATCH_DRAFTS,
    as_json: AsJson = False,
) -> int:
    """Have a critic judge every draft that a run recorded, and compare it with the run's labels. Typed again it goes on."""
    from infra.score_command import score_run

    return score_run(
        run, critic=critic, root=root, endpoint_url=endpoint_url, overrides=set_ or [], batch=batch, as_json=as_json
    )


@_command
def submit(
    config: Config,
    address: Annotated[str, typer.Option("--address", help="Of the cluster's dashboard, such as http://head:8265.")],
    set_: Set = None,
    root: ConfigRoot = None,
    run_id: RunId = None,
    python: Annotated[
        str, typer.Option("--python", help="The interpreter on the cluster that has treeroll.")
    ] = "python",
) -> int:
    """Run a configuration as a job of a Ray cluster; stream its log and end with its exit code."""
    from infra.submit import submit as submit_job

    return submit_job(config, address=address, overrides=set_ or [], root=root, run_id=run_id, python=python)


@app.command("serve-critic")
@guarded
def serve_critic(
    model: Annotated[str, typer.Argument(help="The critic: a folder, or a name on the model hub.")],
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.")] = 8001,
    num_gpus: Annotated[float, typer.Option(help="GPUs; 0 is the CPU build of vLLM.")] = 1.0,
    tensor_parallel: Annotated[int, typer.Option(help="GPUs that the model is split over.")] = 1,
    max_model_len: Annotated[int, typer.Option(help="Tokens of prompt and answer; 0: as many as the model takes.")] = 0,
    python: Annotated[str, typer.Option(help="Interpreter of an environment that has vLLM.", show_default=False)] = "",
) -> int:
    """Serve a critic over the OpenAI protocol, by vLLM's own server, for critic.kind = "chat" or an agent of your own."""
    from actors.critic_settings import CriticSettings
    from infra.serve_critic import serve_critic as become_server

    settings = CriticSettings(
        model=model, num_gpus=num_gpus, tensor_parallel=tensor_parallel, max_model_len=max_model_len
    )
    become_server(settings, host=host, port=port, python=python)
    return 0


# -- make tasks -------------------------------------------------------------------------------------------------------


@tasks_app.command("make")
@guarded
def make_tasks(
    domain: Annotated[str, typer.Option("--domain", help="retail or airline, of tau2.")],
    count: Annotated[int, typer.Option("--count", help="How many tasks.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write: JSON lines, for tasks.source.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same file.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace another file that stands there.")] = False,
    paraphrase_with: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIG", help="Have this configuration's [user] model reword the requests.", show_default=False
        ),
    ] = None,
) -> int:
    """Make new training tasks from the domain's database, each verified in its environment and kept away from the test split."""
    from infra.task_making import Order, make

    order = Order(domain=domain, count=count, seed=seed, out=out, force=force)
    print_rows(make(order, paraphrase_with=paraphrase_with))
    return 0


# -- look -------------------------------------------------------------------------------------------------------------


@_command
def status(run: Run = None, root: Root = DEFAULT_ROOT, endpoint_url: EndpointUrl = "", as_json: AsJson = False) -> int:
    """How far a run has come, from what is published."""
    from infra.runs import resolve_run
    from infra.status import status_record, status_rows
    from storage.objects import open_store

    store = open_store(root, endpoint_url=endpoint_url)
    record = status_record(store, resolve_run(store, run, root=root), root=root, endpoint_url=endpoint_url)
    if as_json:
        print(json.dumps(record, indent=2))
    else:
        print_rows(status_rows(record))
    return 0


@_command
def verify(
    target: Annotated[str | None, typer.Argument(metavar="[RUN|ROOT]", show_default=False)] = None,
    root: Root = DEFAULT_ROOT,
    endpoint_url: EndpointUrl = "",
) -> int:
    """Check every marker, part, checksum, row and reference of a run, or of all runs of a root; print the content hash."""
    from infra.outcome import print_verification
    from storage.objects import open_store
    from storage.root import check_root
    from storage.runs import list_runs
    from storage.verify import verify_run

    root, run_id = _meant(target, root)
    store = open_store(root, endpoint_url=endpoint_url)
    check_root(store)
    runs = [run_id] if run_id is not None else list_runs(store)
    if not runs:
        raise UsageError(f"no run at {root}; give the root that `treeroll run` wrote to")
    reports = [verify_run(store, run_id) for run_id in runs]
    print_verification(reports, sys.stdout)
    return 1 if any(report.problems for report in reports) else 0


@_command
def export(
    run: Run = None,
    format_: Annotated[
        str, typer.Option("--format", help="critic-sft, critic-kto, actor-preference, prm-stepwise or values.")
    ] = "critic-sft",
    out: Annotated[str, typer.Option("--out", help="A directory or s3:// URI for the dataset.")] = "",
    root: Root = DEFAULT_ROOT,
    endpoint_url: EndpointUrl = "",
    validation_share: Annotated[float, typer.Option(help="Share of tasks kept for validation.")] = 0.1,
) -> int:
    """Make a dataset for fine-tuning from a run's published rows."""
    from infra.outcome import export_rows
    from infra.runs import resolve_run
    from storage.export import export as export_run
    from storage.objects import open_store

    run_id = resolve_run(open_store(root, endpoint_url=endpoint_url), run, root=root)
    target = out or f"{root.rstrip('/')}/datasets/{run_id}/{format_}"
    report = export_run(
        root, run_id, fmt=format_, out=target, endpoint_url=endpoint_url, validation_share=validation_share
    )
    print_rows(export_rows(report))
    return 0


@_command
def compact(
    target: Annotated[str | None, typer.Argument(metavar="[RUN|ROOT]", show_default=False)] = None,
    root: Root = DEFAULT_ROOT,
    endpoint_url: EndpointUrl = "",
    target_mib: Annotated[int, typer.Option(min=1, help="Size of the files to make.")] = 128,
) -> int:
    """Put the small files of a run, or of all runs of a root, into large ones. Safe while a run is being played."""
    from infra.upkeep import compact_rows, compact_runs
    from storage.objects import open_store

    root, run_id = _meant(target, root)
    store = open_store(root, endpoint_url=endpoint_url)
    print_rows(compact_rows(compact_runs(store, run_id=run_id, target_mib=target_mib, root=root)))
    return 0


@_command
def gc(
    root: Annotated[str, typer.Argument(help="A directory, or s3://bucket/prefix.")] = DEFAULT_ROOT,
    endpoint_url: EndpointUrl = "",
    grace_hours: Annotated[float, typer.Option(help="Leave alone what is younger.")] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> int:
    """Remove files that no run needs: of writers that died, and what a compaction replaced."""
    from infra.upkeep import collect, garbage_rows
    from storage.objects import open_store

    found = collect(open_store(root, endpoint_url=endpoint_url), grace_hours=grace_hours, dry_run=dry_run)
    print_rows(garbage_rows(found, dry_run=dry_run))
    return 0


@_command
def doctor(root: ConfigRoot = None, endpoint_url: EndpointUrl = "", as_json: AsJson = False) -> int:
    """What is installed, what would run where, and whether the root keeps its promises."""
    from infra.doctor import doctor as examine
    from infra.doctor import doctor_json, doctor_table, healthy

    checks = examine(root, endpoint_url)
    if as_json:
        print(doctor_json(checks))
    else:
        Console().print(doctor_table(checks))
    return 0 if healthy(checks) else 1


def _meant(target: str | None, root: str) -> tuple[str, str | None]:
    """A root and, where one run is meant, its id: what is a path or a URI is a root."""
    if target is not None and (target.startswith("s3://") or "/" in target or Path(target).is_dir()):
        return target, None
    return root, target


def main() -> None:
    app()


if __name__ == "__main__":
    main()

"""The dataset card: README.md with the front matter that `datasets.load_dataset` reads, and what a person must know.

Data files are listed one by one, never by a pattern: what is not listed is not loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from labeling.rubric import RUBRIC_VERSION
from storage.export.content import ExportContent
from storage.export.manifest import MANIFEST

CARD = "README.md"
_STAND_IN = "scripted:"
# how the identity of a stand-in begins (actors.scripted)
_LICENCES: Mapping[str, str] = MappingProxyType(
    {
        "inspect-evals": "inspect-evals is published by the UK AI Security Institute under the MIT licence. The τ²-bench "
        "tasks, policies and databases in it are by Sierra, under the MIT licence too; keep both notices with copies "
        "of this dataset."
    }
)


def card_text(content: ExportContent) -> str:
    sections = [
        _front_matter(content),
        f"# {_one_line(content.settings.name)}\n\n{content.format.summary}",
        _stand_ins(content),
        _origin(content),
        _rows(content),
        _columns(content),
        _loading(content),
        f"## How to train on it\n\n{content.format.usage}",
        _limits(),
        _licence(content),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(content: ExportContent) -> str:
    lines = ["---", f"pretty_name: {json.dumps(_one_line(content.settings.name), ensure_ascii=False)}"]
    lines += ["tags:", "- treeroll", f"- {content.format.name}", "configs:", "- config_name: default", "  data_files:"]
    for split, files in content.data_files.items():
        lines += [f"  - split: {split}", "    path:", *(f"    - {file.path}" for file in files)]
    return "\n".join([*lines, "---"])


def _stand_ins(content: ExportContent) -> str:
    roles = [
        role
        for role in ("actor", "user", "critic")
        if any(identity.startswith(_STAND_IN) for identity in content.survey.origins[role])
    ]
    if not roles:
        return ""
    return (
        f"**Played by scripted stand-ins, not by models: {', '.join(roles)}.** A stand-in knows the task's solution and errs at "
        "configured rates. Such rows prove that a pipeline works; they say nothing about how any model behaves."
    )


def _origin(content: ExportContent) -> str:
    origins = content.survey.origins
    settled = f"{content.items_settled} of {content.items_planned} planned tasks' trees"
    lines = [
        f"- run `{content.record.run_id}`, content hash `{content.content_hash}`, treeroll {content.record.treeroll_version}",
        f"- {settled} were published when this was made"
        + ("" if _complete(content) else ": **the run was not finished**"),
        *(f"- {role}: {_quoted(origins[role])}" for role in ("actor", "user", "critic", "judge")),
        f"- environment: {_quoted(origins['env_source'])}, version {_quoted(origins['env_version'])}, "
        f"data {_quoted(origins['env_data_hash'])}",
        f"- wording of the critic's question: `{RUBRIC_VERSION}` (column `rubric_version`)",
    ]
    return (
        "## How it was made\n\n"
        "Tasks were played from the start; at steps of such a play other actions of the same actor were tried, and each action "
        "was played out several times. The value of an action is the mean return of its plays, stored with counts and an "
        "interval. Labels compare the actions of one state by these intervals, and abstain where they decide nothing.\n\n"
        + "\n".join(lines)
        + f"\n\n`{MANIFEST}` holds the configuration, every file's checksum and the hashes of the tables."
    )


def _complete(content: ExportContent) -> bool:
    return content.items_settled == content.items_planned


# -- statistics -------------------------------------------------------------------------------------------------------


def _rows(content: ExportContent) -> str:
    found = content.survey
    left_out = found.num_rows - found.num_usable
    splits = _table(
        ("split", "tasks", "rows", "longest row, characters"),
        [(name, str(s.num_tasks), str(s.num_rows), str(s.longest)) for name, s in content.splits.items()],
    )
    counted = _table(
        (*content.format.counted_by, "in the run", *content.splits),
        [
            (*key, str(count), *(str(s.counts.get(key, 0)) for s in content.splits.values()))
            for key, count in found.counts.items()
        ],
    )
    return (
        f"## Rows\n\n{splits}\n\n"
        f"Splits are by task: no task is in two of them (seed {content.settings.seed}, share "
        f"{content.settings.validation_share:g} held out). No row comes from a benchmark's test split.\n\n{counted}\n\n"
        f"Of the run's {found.num_rows} rows in table `{content.format.table}`, {left_out} ({left_out / found.num_rows:.1%}) "
        f"are left out ({content.format.left_out}), and {content.num_duplicates} because another row has the same question "
        "and answer."
    )


def _columns(content: ExportContent) -> str:
    rows = [
        (f"`{field.name}`", f"`{field.type}`", (field.metadata or {})[b"meaning"].decode())
        for field in content.format.schema
    ]
    return f"## Columns\n\n{_table(('column', 'type', 'meaning'), rows)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_table_lines(head, rows))


def _table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_one_line(cell).replace('|', chr(92) + '|') for cell in row)} |"


# -- use --------------------------------------------------------------------------------------------------------------


def _loading(content: ExportContent) -> str:
    listed = {split: [file.path for file in files] for split, files in content.data_files.items()}
    return (
        "## How to load it\n\n```python\nfrom datasets import load_dataset\n\n"
        'dataset = load_dataset("path/to/this/directory")\n```\n\n'
        "From an object store, give the files (a folder there is not expanded), each with the dataset's URI before it:\n\n"
        f'```python\ndataset = load_dataset("parquet", data_files={json.dumps(listed)})\n```'
    )


def _limits() -> str:
    return (
        "## Limits\n\n"
        "A value is about one actor, one simulated user and one environment: it says what *this* actor made of the action, not "
        "whether the action was right. Return parts that nobody judged never count as passed; the table `episodes` names them. "
        "Some benchmark tasks are known to be wrong, and simulated users err. With several actions compared in one state, a few "
        "labels compare equals; read each with its counts."
    )


def _licence(content: ExportContent) -> str:
    origins = content.survey.origins
    notes = [
        _LICENCES.get(
            source, f"The licence of {_quoted([source])} is not known to treeroll: look it up before sharing."
        )
        for source in origins["env_source"]
    ]
    authors = {*origins["actor"], *origins["user"]}
    if models := sorted(author for author in authors if not author.startswith(_STAND_IN)):
        notes.append(
            f"Text written by {_quoted(models)} is under the terms of the models' providers; some do not allow training on it."
        )
    return "## Licence\n\nPolicies, tools and tool results come from the environment. " + " ".join(notes)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{_one_line(name).replace('`', chr(39))}`" for name in names)


def _one_line(text: str) -> str:
    return " ".join(text.split())

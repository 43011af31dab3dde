"""Where upstream's code is, and whether it is the supported version. Nothing of it is imported here.

Upstream has no release, so its version is the content of its rule files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import util
from pathlib import Path

from rollouts.errors import UsageError

PATH_VARIABLE = "USERBENCH_PATH"
PACKAGE = "travelgym"
SUPPORTED_COMMIT = "b05d86b718161acef28681b638e988e6808fe51a"
SUPPORTED_RULES = "d3b4eeedf35bd076acdddd7a6057de05eb5ca989521ba52e1c2049b128bb0ab2"
# SHA-256 of RULE_FILES, see `rules_version`
RULE_FILES = (
    "config.py",
    "env/__init__.py",
    "env/prompt_async.py",
    "env/prompts.py",
    "env/task_data.py",
    "env/travel_env.py",
    "env/utils.py",
)
INSTALL = (
    f"clone SalesforceAIResearch/UserBench from GitHub, check out {SUPPORTED_COMMIT[:12]}, "
    f"and set {PATH_VARIABLE} to the checkout"
)


def locate(environ: Mapping[str, str]) -> Path:
    """The directory of the package `travelgym`, of the supported version. UsageError when there is none."""
    directory = _directory(environ)
    if missing := [name for name in RULE_FILES if not (directory / name).is_file()]:
        raise UsageError(f"{directory} is not UserBench's package: it has no {', '.join(missing)}; {INSTALL}")
    found = rules_version(directory)
    if found != SUPPORTED_RULES:
        raise UsageError(
            f"the userbench environment needs the rules of UserBench {SUPPORTED_COMMIT[:12]} (SHA-256 {SUPPORTED_RULES[:12]}…), "
            f"but {directory} has others ({found[:12]}…); {INSTALL}"
        )
    return directory


def rules_version(directory: Path) -> str:
    """SHA-256 of the rule files' names and contents; line ends do not count."""
    whole = hashlib.sha256()
    for name in RULE_FILES:
        content = (directory / name).read_bytes().replace(b"\r\n", b"\n")
        whole.update(f"{name}\n{len(content)}\n".encode() + content)
    return whole.hexdigest()


def _directory(environ: Mapping[str, str]) -> Path:
    if path := environ.get(PATH_VARIABLE, ""):
        if not (Path(path) / PACKAGE).is_dir():
            raise UsageError(f"{PATH_VARIABLE} is {path!r}, which holds no directory {PACKAGE!r}; {INSTALL}")
        return Path(path) / PACKAGE
    spec = util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the userbench environment needs UserBench, and no package {PACKAGE!r} is importable; {INSTALL}"
        )
    return Path(spec.submodule_search_locations[0])

"""Print the lowest declared version of every requirement: the package's own and the tests'."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
    name, bound, version = requirement.partition(">=")
    if not bound:
        raise SystemExit(f"{requirement!r} has no lower bound; write it as NAME>=VERSION")
    print(f"{name}=={version}")

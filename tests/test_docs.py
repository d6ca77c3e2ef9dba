"""Documentation is code too: every Python block and every `rdmtools` command in it runs."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.command import rdmtools as command_line
from helpers.corpora import write_corpus

import rdmtools

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FRAMEWORKS = ("torch", "lightning", "transformers", "keras", "jax")
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page):
    return BLOCK.findall(page.read_text())


def absent(text):
    """Frameworks that a block imports, itself or by our module of that name, and that are not installed."""
    imported = re.findall(r"^\s*(?:from|import) (?:rdmtools\.integrations\.)?(\w+)", text, re.MULTILINE)
    return {name for name in imported if name in FRAMEWORKS and find_spec(name) is None}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with data of every kind, and nothing of the checkout that a page could change."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data", ignore=shutil.ignore_patterns("analysis"))
    rows = "".join(f"{step},{sample},0.5\n" for step in range(40) for sample in range(3))
    (tmp_path / "losses.csv").write_text("step,sample_id,loss\n" + rows)
    (tmp_path / "log.csv").write_text("global_step,idx,nll\n" + rows)
    (tmp_path / "runs").mkdir()
    write_corpus(tmp_path / "corpus", ("toy",), seeds=2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Lightning's own, of torch, and its advice; Keras' own, of torch's tensors and NumPy 2.
@pytest.mark.filterwarnings("ignore:.*first full window")  # of trainings as short as a page has
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:lightning\\..*")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_page_runs_from_top_to_bottom(page, workplace):
    names = {"__name__": page.stem}
    left_out = set()
    for language, text in blocks(page):
        if language == "python":
            if needed := absent(text):
                left_out |= needed
                continue
            exec(compile(text, f"{page.name}", "exec"), names)
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["rdmtools"]:
                done = command_line(*words[1:], cwd=workplace)
                assert done.returncode == 0, f"{line}\n{done.stderr}"
                assert "Traceback" not in done.stderr
    if left_out:
        pytest.skip(f"all ran but the blocks that need {', '.join(sorted(left_out))}, not installed")


def test_blocks_of_absent_frameworks_are_found(monkeypatch):
    assert absent("import numpy\nfrom rdmtools.integrations import probe_set") == set()
    monkeypatch.setattr("test_docs.find_spec", lambda name: None)
    assert absent("import torch.nn as nn") == {"torch"}
    assert absent("if 1:\n    from rdmtools.integrations.jax import x") == {"jax"}


@pytest.mark.parametrize("name", sorted({*rdmtools._HOMES.values(), "rdmtools.probe.choose"}))
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(import_module(name)).failed == 0


def test_readme_has_its_two_command_lines():
    for number in ("1", "2"):
        script = [sys.executable, ROOT / ".ci" / "readme_command.py", number]
        line = subprocess.run(script, capture_output=True, text=True, check=True).stdout
        assert line.startswith("pip install ")


def test_every_link_between_our_pages_leads_somewhere():
    for page in [*PAGES, ROOT / "sample_data" / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # the oldest typer's, of click
def test_every_option_of_every_command_is_in_the_reference():
    from typer.main import get_command

    from rdmtools_cli.app import app

    root = get_command(app)
    table = (ROOT / "docs" / "reference.md").read_text()
    rows = [
        [cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines() if row.startswith("| `-")
    ]
    documented = {
        (command, option)
        for options, commands in rows
        for option in re.findall(r"`(-[-a-z]+)", options)
        for command in (root.commands if commands == "all" else commands.split(", "))
    }
    known = {(root.name, option) for each in root.params for option in each.opts}
    for name, command in root.commands.items():
        params = [each for each in command.params if each.param_type_name == "option"]
        known |= {(name, o) for each in params for o in [*each.opts, *each.secondary_opts]}
        known |= {(name, option) for option in root.context_settings["help_option_names"]}
    assert documented == known


def test_docs_state_the_defaults_that_the_settings_have():
    from rdmtools import AnalysisSettings

    method = (ROOT / "docs" / "method.md").read_text()
    assert f"{AnalysisSettings().decades} decades" in method

"""Which room imports which: data flows one way, and this graph holds it."""

import ast
from pathlib import Path

import pytest

import rdmtools

ROOT = Path(__file__).parents[1]

LEAVES = {"errors", "format.names", "rdmtools"}  # "rdmtools" is the version number

# Each room may import the rooms named here, itself and the leaves; nothing else of ours.
ALLOWED = {
    "run": set(),
    "format": set(),
    "rdmtools": set(),
    "errors": set(),
    "format.names": set(),
    "format.records": set(),
    "format.lock": set(),
    "format.table": {"format.records"},
    "journal": {"format.records", "format.lock", "format.table"},
    "logger": {"format.records", "format.lock", "journal", "format.table"},
    "integrations": {"logger", "integrations.probe", "integrations.torch"},
    "integrations.probe": set(),
    "integrations.torch": set(),
    "stores": set(),
    "paths": {"format.records", "stores"},
    "workers": set(),
    "run.clean": set(),
    "run.columns": {"run.clean"},
    "run.checks": {"run.clean"},
    "run.run": {"run.checks", "run.clean", "run.columns", "stores"},
    "row_groups": {"journal", "run.clean", "run.columns", "stores", "format.table", "run.run"},
    "sample_shards": {"row_groups"},
    "foreign": {"run.clean", "run.columns", "run.run"},
    "scratch": {"run.clean"},
    "ranges": {"run.clean", "scratch"},
    "progress": set(),
    "on_disk": {"run.clean", "run.columns", "progress", "ranges", "row_groups", "scratch"},
    "load": {
        "journal",
        "run.checks",
        "run.clean",
        "run.columns",
        "foreign",
        "on_disk",
        "paths",
        "progress",
        "row_groups",
        "run.run",
        "sample_shards",
        "stores",
    },
    "conversion": {
        "run.clean",
        "run.columns",
        "foreign",
        "load",
        "paths",
        "ranges",
        "row_groups",
        "run.run",
        "scratch",
        "format.table",
    },
    "analysis": set(),
    "analysis.blas": set(),
    "analysis.gram": set(),
    "analysis.moments": {"analysis.gram"},
    "analysis.baselines": {"analysis.gram", "analysis.moments"},
    "analysis.observables": {"analysis.baselines", "analysis.gram", "analysis.moments"},
    "analysis.spectra": {"analysis.gram", "analysis.moments", "analysis.observables"},
    "analysis.modes": {"analysis.gram", "analysis.moments"},
    "analysis.gaussian": {
        "analysis.blas",
        "analysis.moments",
        "analysis.observables",
        "analysis.spectra",
    },
    "analysis.settings": {"analysis.gram", "analysis.moments"},
    "analysis.spans": {
        "run.run",
        "analysis.blas",
        "analysis.gram",
        "analysis.moments",
        "analysis.observables",
        "analysis.settings",
        "analysis.spectra",
    },
    "analysis.events": set(),
    "analysis.description": {"run.run", "analysis.events", "analysis.modes", "analysis.observables"},
    # the one exception: Analysis.save, .report and .plot import the report when called
    "analysis.pipeline": {
        "progress",
        "run.run",
        "workers",
        "analysis.settings",
        "analysis.spans",
        "analysis.spectra",
        "analysis.events",
        "analysis.gaussian",
        "analysis.modes",
        "analysis.description",
        "report",
    },
    "fingerprint": {"paths", "stores", "analysis.settings"},
    "compared": {
        "fingerprint",
        "format.records",
        "load",
        "paths",
        "progress",
        "run.run",
        "stores",
        "workers",
        "analysis.pipeline",
        "analysis.settings",
    },
    "comparison": {"compared", "paths", "run.run", "stores", "analysis.pipeline", "analysis.settings"},
    "evaluation": {
        "load",
        "progress",
        "run.run",
        "workers",
        "analysis.events",
        "analysis.modes",
        "analysis.pipeline",
        "analysis.settings",
        "report",  # the other exception: Score.save
    },
    "report": {
        "fingerprint",
        "paths",
        "run.run",
        "stores",
        "analysis.pipeline",
        "comparison",
        "evaluation",
    },
}


def room(module):
    """The part of the house a module belongs to: the logger and the report are one room each."""
    while module not in ALLOWED and "." in module:
        module = module.rpartition(".")[0]
    return module


def modules():
    for path in sorted((ROOT / "rdmtools").rglob("*.py")):
        parts = path.relative_to(ROOT / "rdmtools").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "rdmtools"
        yield name, path


def imported(path):
    """Our modules that a file imports, those under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    names = {name for name, _ in modules()}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rdmtools":
            base = (node.module or "").removeprefix("rdmtools").removeprefix(".")
            for alias in node.names:
                full = f"{base}.{alias.name}".removeprefix(".")
                yield full if full in names else (base or "rdmtools")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "rdmtools":
                    yield alias.name.removeprefix("rdmtools").removeprefix(".") or "rdmtools"


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: Path(value).name)
def test_imports_run_one_way(name, path):
    home = room(name)
    found = {room(target) for target in imported(path)} - LEAVES - {home}
    assert found <= ALLOWED[home], f"{name} imports {sorted(found - ALLOWED[home])}"


def test_leaves_import_nothing_of_ours():
    for name, path in modules():
        if name in ("errors", "schema"):
            assert not list(imported(path))


def test_the_graph_test_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def late():\n    from rdmtools.report import save\n")
    assert list(imported(bad)) == ["report"]


def test_public_names_are_these():
    assert rdmtools.__all__ == sorted(rdmtools.__all__)
    assert set(rdmtools.__all__) == set(rdmtools._HOMES) | {
        "FormatError",
        "ParameterError",
        "RdmtoolsError",
        "RdmtoolsWarning",
        "WorkerError",
        "__version__",
    }
    for name in rdmtools.__all__:
        assert getattr(rdmtools, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rdmtools.nonsense
    assert dir(rdmtools) == rdmtools.__all__

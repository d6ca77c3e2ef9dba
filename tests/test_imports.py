"""Which room imports which: data flows one way, and this graph holds it."""

import ast
from pathlib import Path

import pytest

import rdmtools

ROOT = Path(__file__).parents[1]

# Each module may import the modules named here, and nothing else of ours.
ALLOWED = {
    "rdmtools": {"errors"},
    "errors": set(),
    "schema": set(),
    "journal": {"errors", "schema"},
    "table": {"errors", "schema"},
    "logger": set(),
    "logger.probe_logger": {"errors", "schema", "journal", "table", "logger"},
    "cleaning": {"errors", "schema"},
    "columns": {"errors", "schema", "cleaning"},
    "run": {"errors", "schema", "cleaning", "columns"},
    "load": {"errors", "schema", "cleaning", "columns", "journal", "table", "run"},
    "analysis": set(),
    "analysis.gram": set(),
    "analysis.observables": {"analysis.gram"},
    "analysis.modes": {"analysis.gram", "analysis.observables"},
    "analysis.events": set(),
    "analysis.pipeline": {
        "errors",
        "run",
        "analysis.gram",
        "analysis.observables",
        "analysis.modes",
        "analysis.events",
        # the one exception: Analysis.save, .report and .plot import the report when called
        "report",
    },
    "comparison": {"errors", "schema", "load", "run", "analysis.pipeline"},
}
REPORT_MAY = {"errors", "schema", "run", "analysis", "analysis.pipeline", "analysis.modes", "rdmtools"}


def modules():
    for path in sorted((ROOT / "rdmtools").rglob("*.py")):
        parts = path.relative_to(ROOT / "rdmtools").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "rdmtools"
        yield name, path


def imported(path, *, everywhere=True):
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


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: str(value))
def test_imports_run_one_way(name, path):
    if name.split(".")[0] == "report":
        allowed = REPORT_MAY
        found = {target for target in imported(path) if target.split(".")[0] != "report"}
    else:
        allowed, found = ALLOWED[name], set(imported(path))
    assert found <= allowed, f"{name} imports {sorted(found - allowed)}"


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
        "__version__",
    }
    for name in rdmtools.__all__:
        assert getattr(rdmtools, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rdmtools.nonsense
    assert dir(rdmtools) == rdmtools.__all__

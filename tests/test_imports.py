"""Which room imports which: data flows one way, and this graph holds it."""

import ast
from pathlib import Path

import pytest

import rdmtools

ROOT = Path(__file__).parents[1]

# Each room, a folder or a module on the ground, may import the rooms named here, and nothing else of ours.
# "rdmtools" is the version number, errors and names are known to all.
ROOMS = {
    "rdmtools": set(),
    "errors": set(),
    "executor": set(),
    "format": set(),
    "journal": {"format"},
    "logger": {"format", "journal"},
    "integrations": {"format", "logger", "probe"},
    "probe": {"format"},
    "run": {"format"},
    "read": {"format", "journal", "run"},
    "alarms": set(),
    "analysis": {"alarms", "executor", "run"},
    "results": {"alarms", "analysis", "format", "read", "run"},
    "evaluation": {"alarms", "analysis", "executor", "format", "read", "run"},
    "report": {"analysis", "evaluation", "format", "read", "results", "run"},
    "analyses": {"analysis", "format", "read", "report", "results", "run"},
    "comparison": {"analysis", "executor", "format", "read", "results", "run"},
    "scores": {"evaluation", "report", "run"},
}
FREE = {"rdmtools", "errors"}


def room(module):
    return module.partition(".")[0]


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
    found = {room(target) for target in imported(path)} - FREE - {home}
    assert found <= ROOMS[home], f"{name} imports {sorted(found - ROOMS[home])}"


def test_names_and_errors_import_nothing_of_ours():
    for name, path in modules():
        if name in ("errors", "format.names"):
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

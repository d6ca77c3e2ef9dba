"""Which room imports which: data flows one way, and this graph holds it; no circle, no door, no long file."""

import ast
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
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
    "integrations": {"format", "logger", "probe", "watch"},
    "probe": {"format"},
    "run": {"format"},
    "read": {"format", "journal", "run"},
    "alarms": set(),
    "analysis": {"alarms", "executor", "run"},
    "watch": {"alarms", "analysis", "format", "journal", "logger", "read", "run"},
    "results": {"alarms", "analysis", "format", "read", "run"},
    "evaluation": {"alarms", "analysis", "executor", "format", "read", "run"},
    "report": {"analysis", "evaluation", "format", "read", "results", "run"},
    "references": {"analysis", "format", "read", "results", "run"},
    "analyses": {"analysis", "format", "read", "references", "report", "results", "run"},
    "comparing": {"analysis", "executor", "format", "read", "results", "run"},
    "comparison": {"analysis", "comparing", "read", "report", "results", "run"},
    "plot": {"analysis", "format", "report", "results", "run"},
    "scores": {"evaluation", "report", "run"},
}
FREE = {"rdmtools", "errors"}


def room(module):
    return module.partition(".")[0]


def modules(root=ROOT / "rdmtools"):
    """Each module by its name below the package, "rdmtools" the package itself, and its file."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "rdmtools"
        yield name, path


NAMES = {name for name, _ in modules()}


def imports(path):
    """What a file imports of ours, (module, names) as it says so; what is under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rdmtools":
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names if alias.name.split(".")[0] == "rdmtools")


def imported(path):
    """Our modules that a file imports, by their names below the package."""
    for module, names in imports(path):
        base = module.removeprefix("rdmtools").removeprefix(".")
        inside = [f"{base}.{name}".removeprefix(".") for name in names]
        yield from (name if name in NAMES else (base or "rdmtools") for name in inside or [base])


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


def in_order(graph):
    """The files of a graph {name: those it imports}, each after what it imports. Raises CycleError."""
    return list(TopologicalSorter(graph).static_order())


def test_no_file_imports_in_a_circle():
    graph = {name: {*imported(path)} - {name} for name, path in modules()}
    assert len(in_order(graph)) == len(NAMES)


def test_a_lazy_circle_of_files_is_found(tmp_path):
    (tmp_path / "errors.py").write_text("import rdmtools.executor")
    (tmp_path / "executor.py").write_text("def late():\n    from rdmtools import errors")
    with pytest.raises(CycleError):
        in_order({name: {*imported(path)} for name, path in modules(tmp_path)})


# A package whose names load on first use is a door for users: going through it hides who imports what.
DOORS = {
    "rdmtools" if name == "rdmtools" else f"rdmtools.{name}": path
    for name, path in modules()
    if path.name == "__init__.py" and "_HOMES" in path.read_text()
}


def through_a_door(path):
    """Names that a file takes from a door rather than from their homes, and doors taken from a door."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    plain = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    taken = [(module, name) for module, names in imports(path) for name in names]
    for door in [alias for alias in plain if alias.name in DOORS]:
        taken += [
            (door.name, node.attr)
            for node in nodes
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == (door.asname or door.name)
        ]
    for module, name in taken:
        full = f"{module}.{name}"
        if module in DOORS and (name in import_module(module)._HOMES or full in DOORS):
            yield full


@pytest.mark.parametrize("door", DOORS)
def test_every_home_of_a_door_is_where_the_name_is_made(door):
    for name, home in import_module(door)._HOMES.items():
        assert getattr(import_module(home), name).__module__ == home


def test_nobody_inside_goes_through_a_door():
    inside = [path for folder in ("rdmtools", "cli") for path in (ROOT / folder).rglob("*.py")]
    assert {path.name: names for path in inside if (names := [*through_a_door(path)])} == {}


def test_who_goes_through_a_door_is_found(tmp_path):
    file = tmp_path / "hasty.py"
    file.write_text(
        "import rdmtools as rdm\n"
        "def late(): from rdmtools import __version__, evaluation, Run\n"
        "rdm.compare, rdm.__version__\n"
    )
    assert {*through_a_door(file)} == {"rdmtools.Run", "rdmtools.compare", "rdmtools.evaluation"}


MOST_ON_THE_GROUND, MOST_LINES = 9, 400
LONG = "Long because"


def is_too_long(path):
    """Whether a module has more lines than most, and an opening that does not say why."""
    text = path.read_text()
    opening = ast.get_docstring(ast.parse(text)) or ""
    return text.count("\n") > MOST_LINES and not any(line.startswith(LONG) for line in opening.splitlines())


def test_few_modules_lie_flat():
    assert len([*(ROOT / "rdmtools").glob("*.py")]) <= MOST_ON_THE_GROUND


def files():
    for path in sorted([*(ROOT / "rdmtools").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        yield pytest.param(path, id=name)


@pytest.mark.parametrize("path", [*files()])
def test_a_long_module_says_why(path):
    assert not is_too_long(path)


def test_a_module_that_is_too_long_is_found(tmp_path):
    file = tmp_path / "module.py"
    for opening, lines, expected in (("", 400, True), ("", 399, False), (f"\n\n{LONG} x.", 500, False)):
        file.write_text(f'"""Question?{opening}"""\n' + "x = 1\n" * lines)
        assert is_too_long(file) is expected


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

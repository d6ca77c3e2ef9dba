"""Where results are written, nothing of anybody else is ever removed, and nothing of ours is left over."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.command import rdmtools as command
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.analyses import save
from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.report.compare_page import save_comparison
from rdmtools.results.folder import ANALYSIS, COMPARISON, SCORE, clear_leftovers, new_place, replaced
from rdmtools.results.leftovers import HERE, abandoned


@pytest.fixture(scope="module")
def one():
    return rdm.analyze(with_event(), window=12)


@pytest.fixture(scope="module")
def drawn(one, tmp_path_factory):
    """A folder with everything that an analysis may leave."""
    return save(one, tmp_path_factory.mktemp("drawn") / "analysis", figures=("png", "svg", "pdf"))


@pytest.fixture
def folder(drawn, tmp_path):
    return Path(shutil.copytree(drawn, tmp_path / "analysis"))


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def write_run(path, run=None):
    run = with_event() if run is None else run
    rdm.convert(written_csv(path.with_suffix(".csv"), run), path)
    path.with_suffix(".csv").unlink()
    return path


def written_csv(path, run):
    lines = ["step,sample_id,loss"]
    for step, losses in zip(run.steps.tolist(), run.losses.tolist(), strict=True):
        lines += [f"{step},{sample},{loss!r}" for sample, loss in enumerate(losses)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_all_that_we_write_is_ours_by_name(folder, one, tmp_path):
    assert {f"figures/event_1.{kind}" for kind in ("png", "svg", "pdf")} <= tree(folder)
    assert list(ANALYSIS.strangers(folder)) == []
    page = save_comparison(rdm.compare([one]), tmp_path / "comparison")
    assert list(COMPARISON.strangers(page.parent)) == []


STRANGE = ["figures/mine.png", "figures/overview.gif", "figures/event_1.svg.bak", "figures/notes/a.txt"]


@pytest.mark.parametrize("name", [*STRANGE, "notes.md"])
def test_files_of_the_user_anywhere_in_the_folder_stop_us(one, folder, name):
    mine = folder / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")
    before = tree(folder)
    stranger = "figures/notes" if "notes/" in name else name
    with pytest.raises(ParameterError, match=f"holds '{stranger}', which rdmtools did not write; move"):
        save(one, folder, report=False)
    assert tree(folder) == before
    assert tree(folder.parent) == {"analysis", *(f"analysis/{each}" for each in before)}


def test_folders_and_links_in_place_of_our_files_stop_us(one, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "overview.png").write_text("precious")
    shutil.rmtree(folder / "figures")
    (folder / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ParameterError, match="holds 'figures', which rdmtools did not write"):
        save(one, folder, report=False)
    (folder / "figures").unlink()
    (folder / "events.parquet").unlink()
    (folder / "events.parquet").mkdir()
    with pytest.raises(ParameterError, match=r"holds 'events\.parquet', which rdmtools did not write"):
        save(one, folder, report=False)
    assert (tmp_path / "elsewhere" / "overview.png").read_text() == "precious"


def test_what_file_managers_leave_stops_nobody(one, folder):
    (folder / ".DS_Store").write_text("")
    (folder / "figures" / "Thumbs.db").write_text("")
    save(one, folder, report=False)
    assert not (folder / "figures").exists()


def test_a_file_that_comes_while_we_write_is_kept_and_told(folder):
    def write_meanwhile():
        with replaced(folder, ANALYSIS) as fresh:
            (fresh / "summary.json").write_text("{}")
            (folder / "figures" / "mine.png").write_text("precious")

    with pytest.warns(RdmtoolsWarning, match="stays, for it holds files that rdmtools did not write"):
        write_meanwhile()
    assert tree(folder) == {"summary.json"}
    [stale] = folder.parent.glob(".analysis.*.old")
    assert tree(stale) == {"figures", "figures/mine.png"}


def test_a_link_to_a_folder_leads_to_where_results_go(one, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    for _ in range(2):
        save(one, tmp_path / "out", report=False)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "summary.json").is_file()


@pytest.mark.parametrize(
    ("name", "why"),
    [("a\0b", "null"), ("x" * 300, "too long"), ("round/x", "loop|symbolic links")],
    ids=["nul", "long", "circle"],
)
def test_names_that_no_folder_can_have_are_told(one, tmp_path, name, why):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for place in (tmp_path / name, tmp_path / ".." / tmp_path.name / name):
        with pytest.raises(ParameterError, match=rf"(?is)cannot be written \(.*({why}).*save\(.DIR.\)"):
            save(one, place, report=False)


def test_a_place_above_a_folder_that_is_not_there(tmp_path):
    write_run(tmp_path / "ok.parquet")
    done = command("analyze", "ok.parquet", "--out", "oo/../pp", "--no-report", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("tables: /")
    assert (tmp_path / "pp" / "summary.json").is_file()
    assert not (tmp_path / "oo").exists()
    done = command("compare", "ok.parquet", "--out", "oo/../qq", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "qq" / "comparison.html").is_file()


# What a kill leaves


def dead():
    """Number of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(target, kind="new", process=None, host=HERE, mark="0123abcd"):
    return target.with_name(f".{target.name}.{dead() if process is None else process}-{host}{mark}.{kind}")


@pytest.mark.parametrize("host", [HERE, ""], ids=["here", "earlier release"])
def test_what_a_kill_left_is_removed(one, folder, host):
    shutil.copytree(folder, left(folder, host=host))
    shutil.copytree(folder, left(folder, "old", host=host))
    save(one, folder, report=False)
    assert [path.name for path in folder.parent.iterdir()] == ["analysis"]


KILLED = """
import os, signal, sys, rdmtools
from helpers.runs import with_event
from rdmtools.results import folder
analysis = rdmtools.analyze(with_event(), window=12)
target = sys.argv[1]
if sys.argv[2] == "writing":
    folder.pd.DataFrame.to_parquet = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
else:
    folder.Path.rename = lambda self, other, rename=folder.Path.rename: (
        rename(self, other), os.kill(os.getpid(), signal.SIGKILL)
    )
analysis.save(target, report=False)
"""


@pytest.mark.parametrize("when", ["writing", "between the renames"])
def test_a_kill_loses_no_earlier_results(one, folder, when):
    before = (folder / "summary.json").read_text()
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), when], env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == -9
    assert len([*folder.parent.iterdir()]) == 2
    clear_leftovers(folder, ANALYSIS)
    assert [path.name for path in folder.parent.iterdir()] == ["analysis"]
    assert (folder / "summary.json").read_text() == before
    assert "figures/overview.png" in tree(folder)


def test_analyze_takes_up_what_a_kill_put_aside(tmp_path):
    write_run(tmp_path / "ok.parquet")
    assert command("analyze", "ok.parquet", "--no-report", cwd=tmp_path).returncode == 0
    results = tmp_path / "ok.rdm" / "analysis"
    results.rename(left(results, "old"))
    done = command("analyze", "ok.parquet", "--no-report", cwd=tmp_path)
    assert "unchanged since it was analysed" in done.stdout
    assert [path.name for path in results.parent.iterdir()] == ["analysis"]


def test_what_may_be_in_use_or_is_not_ours_alone_stays(folder):
    stay = [
        left(folder, process=os.getpid()),  # runs
        left(folder, host="00000000"),  # on another machine
        left(folder, mark="1111aaaa"),
        folder.with_name(".analysis.12.new"),
        folder.with_name(".other.1-0123abcd.new"),
    ]
    for place in stay:
        shutil.copytree(folder, place)
    (stay[2] / "figures" / "mine.png").write_text("precious")
    link = left(folder, mark="2222aaaa")
    link.symlink_to(folder)
    clear_leftovers(folder, ANALYSIS)
    assert all(place.is_dir() for place in stay)
    assert link.is_symlink()
    assert (folder / "summary.json").is_file()


def test_what_was_left_a_day_ago_is_nobodys(folder):
    place = left(folder, host="00000000")
    place.mkdir()
    assert abandoned(folder) == []
    os.utime(place, (time.time() - 90_000,) * 2)
    assert abandoned(folder) == [place]
    clear_leftovers(folder, ANALYSIS)
    assert not place.exists()


def test_the_latest_of_several_that_were_put_aside_comes_back(folder):
    for age, mark in ((50, "0000aaaa"), (10, "1111aaaa"), (90, "2222aaaa")):
        place = Path(shutil.copytree(folder, left(folder, "old", mark=mark)))
        (place / "report.html").write_text(mark)
        os.utime(place, (time.time() - age,) * 2)
    shutil.rmtree(folder)
    clear_leftovers(folder, ANALYSIS)
    assert (folder / "report.html").read_text() == "1111aaaa"
    assert [path.name for path in folder.parent.iterdir()] == ["analysis"]


def test_names_on_the_way_are_known_again(tmp_path):
    place = new_place(tmp_path / "out.d")
    place.mkdir()
    assert abandoned(tmp_path / "out.d") == []
    os.utime(place, (0, 0))
    assert abandoned(tmp_path / "out.d") == [place]
    assert not any(SCORE.strangers(place))


# Two runs of one stem


def test_results_of_a_run_with_the_same_stem_are_not_replaced(tmp_path):
    write_run(tmp_path / "ok.parquet")
    written_csv(tmp_path / "ok.csv", without_event())
    summary = tmp_path / "ok.rdm" / "analysis" / "summary.json"
    assert command("analyze", "ok.parquet", "--no-report", cwd=tmp_path).returncode == 0
    before = summary.read_text()
    whole, from_above = tmp_path / "ok.csv", f"{tmp_path.name}/ok.csv"
    for given, cwd in (("ok.csv", tmp_path), (whole, "/"), (from_above, tmp_path.parent)):
        done = command("analyze", given, "--no-report", cwd=cwd)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "ok.rdm/analysis holds the results of " in done.stderr
        assert f"ok.parquet; needed another folder for those of {given}; name another" in done.stderr
    assert summary.read_text() == before
    with pytest.raises(ParameterError, match=r"holds the results of .*ok\.parquet; needed another folder"):
        rdm.analyze(rdm.read_run(tmp_path / "ok.csv")).save(report=False)
    assert command("analyze", "ok.csv", "--no-report", "--out", "csv", cwd=tmp_path).returncode == 0
    assert command("analyze", tmp_path / "ok.parquet", "--no-report", "--fresh", cwd="/").returncode == 0


def test_what_was_renamed_or_moved_keeps_its_folder(tmp_path):
    write_run(tmp_path / "a.parquet")
    assert command("analyze", "a.parquet", "--no-report", cwd=tmp_path).returncode == 0
    for suffix in (".parquet", ".rdm"):
        (tmp_path / f"a{suffix}").rename(tmp_path / f"b{suffix}")
    write_run(tmp_path / "a.parquet", without_event())
    assert command("analyze", "b.parquet", "--no-report", cwd=tmp_path).returncode == 0
    copy = Path(shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy")))
    assert command("analyze", copy / "b.parquet", "--no-report", "--fresh", cwd=tmp_path).returncode == 0
    written_csv(tmp_path / "b.csv", without_event())
    (tmp_path / "b.parquet").unlink()
    assert command("analyze", "b.csv", "--no-report", cwd=tmp_path).returncode == 0

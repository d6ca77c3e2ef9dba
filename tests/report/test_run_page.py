"""The figures draw the tables, and the page shows a person all of it, safely."""

import base64
import re
import shlex
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from helpers.runs import HOSTILE, hostile_run, with_event, without_event
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import rdmtools as rdm
from rdmtools.format.names import FIGURE_FORMATS
from rdmtools.report.compare_page import save_comparison
from rdmtools.report.event_figure import event_figure
from rdmtools.report.heat_map import heat_map
from rdmtools.report.overview import overview, overview_figure
from rdmtools.report.reproduce import command, python
from rdmtools.report.run_page import write_report
from rdmtools.report.style import NARROW_IN, WIDE_IN, decimate, own_style
from rdmtools.report.svg import inline_svg, svg_text
from rdmtools.results.cards import cards, headline
from rdmtools.results.words import percent, power, shown, signed

MOST_BYTES = 1_500_000


def sized(rows, count, **kwargs):
    rng = np.random.default_rng(rows)
    losses = (2 + 0.01 * rng.standard_normal((rows, count))).astype(np.float32)
    losses[rows // 2 :] -= 1
    return rdm.Run.from_arrays(10 * np.arange(rows), losses, **kwargs)


def page_of(analysis, tmp_path):
    return write_report(analysis, tmp_path / "report.html").read_text(encoding="utf-8")


class _Page(HTMLParser):
    """Tags with their attributes, and the text outside of them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


# Figures


def test_lines_are_the_tables():
    analysis = rdm.analyze(with_event(), windows=(8, 12))
    figure = overview_figure(analysis)
    columns = ("shc", "pr", "total_variance", "autocorrelation", "mean_loss")
    for axes, column in zip(figure.axes[1:6], columns, strict=True):
        for line, window in zip(axes.lines, (8, 12), strict=False):
            table = analysis.observables[analysis.observables["window"] == window]
            np.testing.assert_array_equal(line.get_xdata(), table["step"])
            np.testing.assert_array_equal(line.get_ydata(), table[column])
    assert [axes.get_yscale() for axes in figure.axes[1:4]] == ["log", "linear", "log"]
    np.testing.assert_array_equal(figure.axes[7].lines[0].get_ydata(), analysis.run.scalars["accuracy"])


def test_a_lane_is_marked_as_dashed_where_its_line_is():
    axes = overview_figure(rdm.analyze(with_event(), windows=(4, 6, 8, 12, 16, 24))).axes
    styles = [line.get_linestyle() for line in axes[1].lines[:6]]
    marked = [label.get_text().startswith("╌ ") for label in axes[0].get_yticklabels()]
    assert marked == [style == "--" for style in styles] == [False] * 4 + [True] * 2


def test_alarms_are_lines_at_their_steps():
    analysis = rdm.analyze(with_event(), window=12)
    alarm = analysis.events["alarm_step"].iloc[0]
    for axes in overview_figure(analysis).axes[1:]:
        assert any(list(line.get_xdata()) == [alarm, alarm] for line in axes.lines)


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize(
    "scaled",
    [lambda x: 1e-30 * x, lambda x: 1e30 * x, lambda x: -1e6 + 1e-6 * x, lambda x: 1e30 * (1 + 1e-10 * x)],
    ids=["tiny", "huge", "offset", "huge offset"],
)
def test_labels_are_whole_at_any_scale_and_panels_aligned(scaled, width_in):
    run = with_event()
    run = rdm.Run.from_arrays(run.steps, scaled(run.losses), scalars=run.scalars)
    with own_style():
        figure = overview(rdm.analyze(run, windows=(8, 100)), width_in)
        FigureCanvasAgg(figure).draw()
    edges = [label.get_window_extent().x0 for axes in figure.axes for label in axes.get_yticklabels()]
    assert min(edges) >= 0
    assert len({axes.get_position().x0 for axes in figure.axes}) == 1
    assert max(text.get_window_extent().x1 for text in figure.texts) <= figure.bbox.x1
    for axes in figure.axes:
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize("last", [1490, 10**7, 10**10, 10**15])
def test_labels_of_steps_are_whole_and_apart(last, width_in):
    run = with_event()
    steps = np.linspace(0, last, len(run.steps)).astype(np.int64)
    with own_style():
        figure = overview(rdm.analyze(rdm.Run.from_arrays(steps, run.losses)), width_in)
        FigureCanvasAgg(figure).draw()
    boxes = [label.get_window_extent() for label in figure.axes[-1].get_xticklabels()]
    assert len(boxes) >= 2
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert all(box.x1 < following.x0 for box, following in pairwise(boxes))


def bursts(count):
    """Quiet noise that jumps `count` times."""
    rng = np.random.default_rng(1)
    losses = 2 + 0.01 * rng.standard_normal((25 * count, 7))
    for start in range(20, 25 * count, 25):
        losses[start:] += rng.choice([-0.5, 0.5], 7)
    return rdm.Run.from_arrays(7 * np.arange(25 * count), losses)


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize(("count", "all_numbered"), [(3, True), (60, False)])
def test_numbers_of_events_do_not_overlap(count, all_numbered, width_in):
    analysis = rdm.analyze(bursts(count), window=5, rule="decades")
    assert len(analysis.events) == count
    with own_style():
        figure = overview(analysis, width_in)
        FigureCanvasAgg(figure).draw()
    lane = figure.axes[0]
    boxes = sorted((text.get_window_extent() for text in lane.texts), key=lambda box: box.x0)
    assert all(box.x1 < following.x0 for box, following in pairwise(boxes))
    assert (len(boxes) == count) is all_numbered
    told = any("numbers that would overlap" in text.get_text() for text in figure.texts)
    assert told is not all_numbered
    alarms = {line.get_xdata()[0] for line in lane.lines if line.get_marker() == "|"}
    assert alarms == set(analysis.events["alarm_step"])


def test_an_event_with_many_groups_has_whole_words():
    samples = {"group": [f"group number {n // 2} of sixty" for n in range(120)]}
    analysis = rdm.analyze(sized(80, 120, samples=samples))
    with own_style():
        figure = event_figure(analysis, 1)
        FigureCanvasAgg(figure).draw()
    assert any("48 groups not drawn" in text.get_text() for text in figure.texts)
    for text in figure.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_drawing_leaves_the_users_style_alone():
    before = dict(rcParams)
    overview_figure(rdm.analyze(with_event()))
    assert dict(rcParams) == before


def test_scalars_share_a_panel_where_they_share_a_scale_and_eight_are_drawn():
    steps = np.arange(60)
    scalars = {"step": steps} | {f"accuracy_{n}": steps / (60 + n) for n in range(10)} | {"norm": 1e4 + steps}
    figure = overview_figure(rdm.analyze(sized(60, 5, scalars=scalars)))
    assert len(figure.axes) == 7 + 1
    assert sum(len(line.get_xdata()) == 60 for line in figure.axes[7].lines) == 8
    assert any("3 scalars not drawn" in text.get_text() for text in figure.texts)


def test_rounding_is_not_drawn_as_movement():
    """PR of one sample is 1 but for its last digit."""
    figure = overview_figure(rdm.analyze(sized(60, 1)))
    low, high = figure.axes[2].get_ylim()
    assert 0.9 < low < 1 < high < 1.1
    assert high - low > 0.1


def test_scalars_logged_seldom_are_joined():
    values = np.full(60, np.nan)
    values[::10] = 1.0
    run = sized(60, 5, scalars={"step": np.arange(60), "test_acc": values})
    assert len(overview_figure(rdm.analyze(run)).axes[7].lines[0].get_xdata()) == 6


def test_decimation_keeps_ends_extremes_and_gaps():
    rng = np.random.default_rng(0)
    x, y = np.arange(100_000), rng.standard_normal(100_000)
    y[5000], y[77_777], y[50_000:60_000] = 99, -99, np.nan
    kept_x, kept_y = decimate(x, y, 500)
    assert len(kept_x) < 900
    assert {5000, 77_777, 0, 99_999} <= set(kept_x.tolist())
    assert np.isnan(kept_y[(kept_x >= 50_200) & (kept_x < 59_800)]).all()
    np.testing.assert_array_equal(kept_y, y[kept_x])
    assert decimate(x[:300], y[:300], 500)[1] is not None


def uneven(rows):
    """Steps that are logged ever more seldom."""
    run = sized(rows, 5)
    return rdm.Run.from_arrays(np.arange(rows) ** 2, run.losses)


@pytest.mark.parametrize("run", [sized(40, 5), sized(1100, 5), uneven(60)], ids=["few", "many", "uneven"])
def test_the_map_is_the_table_at_the_last_rows_of_windows(run):
    analysis = rdm.analyze(run, window=16)
    axes = overview_figure(analysis).axes[6]
    [image] = axes.images
    pixels = np.asarray(image.get_array().filled(np.nan))
    assert axes.get_xlim() == (run.steps[0], run.steps[-1])
    left, right, bottom, top = image.get_extent()
    assert (left, right) == axes.get_xlim()
    assert (bottom, top) == axes.get_ylim()
    lengths = analysis.shc_map["window"].unique().tolist()
    assert len(pixels) == len(lengths) == 5
    width = (right - left) / pixels.shape[1]
    places = left + width * (np.arange(pixels.shape[1]) + 0.5)
    table = analysis.shc_map.pivot(index="window", columns="step", values="shc")
    steps = table.columns.to_numpy()
    nearest = steps[np.abs(places - steps[:, None]).argmin(axis=0)]
    # The first and the last step reach as far outward as inward.
    begin, end = (3 * steps[0] - steps[1]) / 2, (3 * steps[-1] - steps[-2]) / 2
    for row, length in enumerate(lengths):
        here = (nearest >= run.steps[length - 1]) & (places >= begin) & (places <= end)
        np.testing.assert_array_equal(pixels[row, here], np.log10(table.loc[length, nearest[here]]))
        assert np.isnan(pixels[row, ~here]).all()
        assert 0 < np.argmax(here) < pixels.shape[1] / 2


@pytest.mark.filterwarnings("ignore:.*first full window")  # which is nearly all of the run
def test_labels_of_the_map_are_its_lengths():
    analysis = rdm.analyze(sized(700, 5), window=500)
    axes = overview_figure(analysis).axes[6]
    lengths = analysis.shc_map["window"].unique().tolist()
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    told = dict(zip(axes.get_yticks().astype(int).tolist(), labels, strict=True))
    assert 5 <= len(told) <= 8 < len(lengths)
    assert told[len(lengths) - 1] == 500
    assert all(lengths[row] == length for row, length in told.items())


def test_an_alarm_stands_in_the_map_at_the_height_of_its_window():
    analysis = rdm.analyze(with_event(), windows=(8, 16))
    axes = overview_figure(analysis).axes[6]
    lengths = analysis.shc_map["window"].unique().tolist()
    assert lengths == [4, 6, 8, 11, 16]
    found = {(line.get_xdata()[0], np.mean(line.get_ydata())) for line in axes.lines}
    events = analysis.events
    assert found == {
        (alarm, lengths.index(window))
        for alarm, window in zip(events["alarm_step"], events["window"], strict=True)
    }


@pytest.mark.parametrize(
    ("run", "window"),
    [(sized(40, 5), 5), (rdm.Run.from_arrays(np.arange(40), np.ones((40, 3))), 20), (sized(40, 1), 20)],
    ids=["short windows", "frozen", "one sample"],
)
def test_a_map_that_adds_nothing_is_left_out(run, window, tmp_path):
    analysis = rdm.analyze(run, window=window)
    assert not any(axes.images for axes in overview_figure(analysis).axes)
    assert "SHC by window length" not in page_of(analysis, tmp_path)


def test_zeros_are_blank_and_a_few_tiny_values_do_not_set_the_colours():
    steps = np.tile(np.arange(100), 3)
    shc = np.full(300, 1e-3)
    shc[100:200] = 3e-6
    shc[200:203] = 0.0, np.nan, 1e-40
    table = pd.DataFrame({"window": np.repeat([4, 6, 8], 100), "step": steps, "shc": shc})
    drawn = heat_map(table)
    assert (drawn.darkest, drawn.brightest) == (-6, -3)
    assert drawn.legend == "dark 10⁻⁶ or less, bright 10⁻³"
    assert np.isnan(drawn.log_shc[2, :2]).all()
    assert drawn.log_shc[2, 2] == pytest.approx(-40)
    assert heat_map(table.assign(shc=1.0)).legend == "dark 10⁰, bright 10¹"


def drawn_at(steps, bad=None):
    """A run whose losses under draws of the weights were logged at these steps."""
    rng = np.random.default_rng(5)
    draws = [(step, rng.standard_normal((6, 14)) * (1 + step / 100)) for step in steps]
    if bad is not None:
        draws[bad][1][2, 3] = np.nan
    return replace(with_event(), stored_draws=lambda: draws)


def test_the_gaussian_panels_are_the_table():
    analysis = rdm.analyze(drawn_at([0, 200, 400, 1800], bad=1), window=5)
    figure = overview_figure(analysis)
    titles = [text.get_text() for text in figure.texts]
    assert "Gaussian 2RDM: SHC over weight draws, loss⁴" in titles
    for axes, column in zip(figure.axes[6:8], ("shc", "total_variance"), strict=True):
        assert axes.get_yscale() == "log"
        assert axes.get_xlim() == (0, 1800)  # draws may go on after the last row
        lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
        assert len(lines) == 2  # the line, and its dots
        for line in lines:
            np.testing.assert_array_equal(line.get_xdata(), analysis.gaussian["step"])
            np.testing.assert_array_equal(line.get_ydata(), analysis.gaussian[column])


def test_draws_without_a_value_have_no_panel_and_the_page_says_so(tmp_path):
    analysis = rdm.analyze(drawn_at([500], bad=0), window=5)
    assert len(overview_figure(analysis).axes) == 6 + 1
    text = page_of(analysis, tmp_path)
    assert "Draws were logged at 1 step; 1 of them without a value" in text
    assert "Gaussian 2RDM" not in page_of(rdm.analyze(with_event()), tmp_path)
    text = page_of(rdm.analyze(drawn_at([0, 10])), tmp_path)
    assert "Draws were logged at 2 steps.</p>" in text
    assert 'aria-label="SHC and total variance of the Gaussian 2RDM."' in text


def test_figures_are_the_same_bytes_each_time(tmp_path):
    analysis = rdm.analyze(with_event(), window=12)
    first, second = (analysis.save(tmp_path / name, figures="png,svg,pdf") for name in "ab")
    for name in [f"{what}.{kind}" for what in ("overview", "event_1") for kind in FIGURE_FORMATS]:
        assert (first / "figures" / name).read_bytes() == (second / "figures" / name).read_bytes()
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()


def test_figures_are_written_where_they_are_asked_for(tmp_path):
    analysis = rdm.analyze(with_event(), window=12)
    assert not (analysis.save(tmp_path / "none") / "figures").exists()
    folder = analysis.save(tmp_path / "some", report=False, figures=("pdf", " PNG"))
    assert {path.name for path in (folder / "figures").iterdir()} == {
        *("overview.png", "overview.pdf", "event_1.png", "event_1.pdf"),
    }
    with pytest.raises(rdm.ParameterError, match=r"has 'gif'; choose of figures=\"png,svg,pdf\""):
        analysis.save(tmp_path / "more", figures="png,gif")
    assert not (tmp_path / "more").exists()


# The page


def test_a_colour_that_has_no_role_stays_in_a_page():
    figure = Figure(figsize=(2, 2))
    figure.add_artist(Rectangle((0, 0), 1, 1, color="#123456"))
    assert "fill: #123456" in inline_svg(svg_text(figure), "wide", "a square")


def test_the_twenty_samples_have_all_their_columns(tmp_path):
    samples = {
        "group": ["a", "b"] * 20,
        "text": [f"words {n}" for n in range(40)],
        "weight": np.arange(40) / 8,
    }
    analysis = rdm.analyze(sized(80, 40, samples=samples))
    text = page_of(analysis, tmp_path)
    top = analysis.modes[(analysis.modes["event"] == 1) & (analysis.modes["mode"] == 1)]
    carriers = top.loc[top["loading"].abs().nlargest(20).index, "sample_id"]
    for sample in carriers:
        assert f"<td>{sample}</td><td>{'ab'[sample % 2]}</td><td>words {sample}</td>" in text


@pytest.mark.parametrize(("groups", "told"), [(20, True), (40, False)])
def test_groups_that_are_single_samples_have_no_section(groups, told, tmp_path):
    samples = {"group": [f"g{n % groups}" for n in range(40)]}
    analysis = rdm.analyze(sized(80, 40, samples=samples))
    text = page_of(analysis, tmp_path)
    assert ("Top mode by group" in text) is told
    assert ("Each group is a single sample" in text) is not told
    with own_style():
        assert len(event_figure(analysis, 1).axes) == 1 + told


def test_long_words_have_a_wide_cell_and_short_ones_do_not(tmp_path):
    long, short = "a group with a name of many words, all of them needed", "short"
    samples = {"group": [long, short] * 20, "text": [short, long] * 20}
    text = page_of(rdm.analyze(sized(80, 40, samples=samples)), tmp_path)
    told = (1 + 20) + 40 + 1 + 2  # top mode by group and its samples; samples; lift, arrivals
    assert text.count(f'<td class="long">{long}</td>') == text.count(f">{long}</td>") == told
    assert re.search(f'<td class="long">group: {long}</td>', text)  # the ledger's, as there are factors
    assert text.count(f"<td>{short}</td>") == text.count(f">{short}</td>")


def test_a_hostile_comparison_stays_words(tmp_path):
    page = save_comparison(
        rdm.compare({HOSTILE[0]: hostile_run(), HOSTILE[2]: without_event()}), tmp_path / "out"
    )
    text = page.read_text(encoding="utf-8")
    tags = [tag for tag, _ in _Page(text).tags]
    assert (tags.count("script"), tags.count("img")) == (2, 0)  # data, and our own
    assert {path.name for path in page.parent.iterdir()} >= {"runs.parquet", "events.parquet"}
    save_comparison(rdm.compare([with_event(), without_event()]), tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(rdm.ParameterError, match=r"mine\.txt"):
        save_comparison(rdm.compare([with_event()]), tmp_path / "out")


@pytest.mark.parametrize(
    ("run", "changes"),
    [
        (sized(20, 3), {}),
        (sized(30_000, 3), {"windows": (10, 20, 50)}),
        (sized(100, 65_536), {"window": 10}),
        (sized(60, 4, samples=["a", "b", "c", "d"]), {"spectrum": True, "detrend": "linear"}),
        (sized(60, 4, samples={"group": ["a", None, "b", "a"]}), {"stride": 7}),
        (rdm.Run.from_arrays(np.arange(40), np.ones((40, 3))), {}),
        (rdm.Run.from_arrays(np.arange(2), np.eye(2)), {"window": 2}),
        (rdm.Run.from_arrays(10**9 + np.arange(40), 1e60 * np.eye(40, 3)), {"window": 5}),
        (rdm.Run.from_arrays(np.arange(40), np.where(np.arange(40) > 20, 1.0, 0.0)[:, None]), {"window": 5}),
    ],
    ids=["short", "long", "wide", "ids", "stride", "frozen", "two", "huge", "one-sample"],
)
@pytest.mark.filterwarnings("ignore:.*first full window")  # which is nearly all of the run
def test_runs_of_every_shape_have_a_small_page(run, changes, tmp_path):
    analysis = rdm.analyze(run, **changes)
    text = page_of(analysis, tmp_path)
    assert len(text.encode()) < MOST_BYTES
    assert "<svg" in text
    overview_figure(analysis)


def test_scalars_beyond_numbers_are_drawn(tmp_path):
    steps = np.arange(60)
    scalars = {
        "step": steps,
        "nan": np.full(60, np.nan),
        "inf": np.where(steps > 30, np.inf, 1.0),
        "huge": np.where(steps % 2, 1e308, -1e308),
        "tiny": np.full(60, 1e-320),
        "wide": 10.0 ** np.linspace(-8, 2, 60),
    }
    page_of(rdm.analyze(sized(60, 4, scalars=scalars)), tmp_path)


def test_quality_is_told(tmp_path):
    losses = np.array(with_event().losses)
    losses[3, 2] = np.nan
    run = rdm.Run.from_arrays(np.arange(len(losses)), losses, nonfinite="drop-samples")
    text = page_of(rdm.analyze(run), tmp_path)
    for note in run.quality.notes():
        assert note in text
    assert "Nothing was dropped" not in text


def test_the_notebook_shows_the_verdict():
    html = rdm.analyze(with_event(name="<i>"), window=12)._repr_html_()
    assert "&lt;i&gt;" in html
    assert "1 event" in html
    assert "<script" not in html


def test_the_notebook_shows_sentence_cards_and_a_drawing_of_its_own():
    for analysis in (rdm.analyze(with_event(), window=12), rdm.analyze(hostile_run(), window=12)):
        html = analysis._repr_html_()
        assert escape(headline(analysis)) in html
        for card in cards(analysis)[:3]:
            assert escape(card.title) in html
        drawn = base64.b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1])
        root = ElementTree.fromstring(drawn)  # it is whole XML
        assert len([*root.iter("{http://www.w3.org/2000/svg}image")]) == 1
        assert "script" not in {element.tag.rpartition("}")[2] for element in root.iter()}
        used = {name for element in root.iter() for name in element.get("class", "").split()}
        used = {name for name in used if name.startswith("l-")} - {"l-ink"}  # which paths have by default
        assert {name for name in used if f".{name} {{" not in drawn.decode()} == set()


def test_a_quiet_run_has_a_cell_too():
    html = rdm.analyze(without_event())._repr_html_()
    assert "<img " in html
    assert "<ul>" not in html


def test_a_page_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(rdm.ParameterError, match="cannot be written"):
        write_report(rdm.analyze(without_event()), tmp_path / "file" / "report.html")


# Making it again


def stored(path):
    run = with_event()
    rows, samples = run.shape
    table = {
        "step": np.repeat(run.steps, samples),
        "sample_id": np.tile(np.arange(samples), rows),
        "loss": run.losses.ravel(),
    }
    pd.DataFrame(table).to_parquet(path)
    return rdm.read_run(path)


def test_the_command_names_what_differs_from_the_defaults(tmp_path):
    path = tmp_path / "it's $HOME; a run.parquet"
    run = stored(path)
    assert shlex.split(command(rdm.analyze(run))) == ["rdmtools", "analyze", str(path)]
    analysis = rdm.analyze(
        run, windows=(8, 12), detrend="linear", spectrum=True, decades=2.5, stride=3, modes=2
    )
    assert shlex.split(command(analysis)) == [
        *("rdmtools", "analyze", str(path), "--window", "8", "--window", "12", "--stride", "3"),
        *("--detrend", "linear", "--spectrum", "--decades", "2.5", "--modes", "2"),
    ]


def test_the_python_runs_and_gives_the_same(tmp_path):
    analysis = rdm.analyze(stored(tmp_path / "run's.parquet"), windows=(8, 12), decades=1.0)
    names = {}
    exec(python(analysis), names)
    pd.testing.assert_frame_equal(names["analysis"].events, analysis.events)


def test_a_run_in_memory_has_no_command(tmp_path):
    analysis = rdm.analyze(with_event())
    assert command(analysis) is None
    assert "no command line" in page_of(analysis, tmp_path)


def test_drops_are_part_of_the_command(tmp_path):
    path = tmp_path / "run.parquet"
    stored(path)
    table = pd.read_parquet(path)
    table.loc[5, "loss"] = np.nan
    table.to_parquet(path)
    analysis = rdm.analyze(rdm.read_run(path, nonfinite="drop-steps"))
    assert command(analysis).endswith("--nonfinite drop-steps")
    assert "nonfinite='drop-steps'" in python(analysis)


# Words


def test_shown_is_one_visible_line():
    assert shown("a\n\tb") == "a b"
    assert shown("x" * 300, 10) == "x" * 9 + "…"
    assert shown("\x07\u202e\ud800") == "\N{REPLACEMENT CHARACTER}" * 3
    assert shown(None) == shown(float("nan")) == shown(pd.NA) == ""
    assert shown(0.125) == "0.125"


def test_small_shares_are_not_told_as_none():
    assert [percent(share) for share in (0.0, 1e-9, 0.031, 0.5, 0.9999, 1.0, float("nan"))] == [
        *("0%", "<0.1%", "3.1%", "50%", ">99.9%", "100%", "–"),
    ]
    assert percent.__doc__


def test_numbers_have_their_sign_digits_and_unit():
    assert [signed(value) for value in (-76.0, -424.0, 0.2, float("nan"))] == ["−76.0", "−424", "+0.200", "–"]
    assert (power("nats", "⁴"), power("sq. error", "²")) == ("nats⁴", "(sq. error)²")
    assert power("", "⁴") == "loss⁴"

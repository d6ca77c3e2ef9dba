"""Figures for papers draw the tables, on axes of one's own or alone, and show themselves."""

from pathlib import Path

import numpy as np
import pytest
from helpers.runs import hostile_run, with_event, without_event
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import rdmtools as rdm

NAMES = ("overview", "event", "spectrum", "map", "ledger", "order")


@pytest.fixture(scope="module")
def analysis():
    return rdm.analyze(with_event(), window=12)


def draw(name, analysis, **how):
    return getattr(rdm.plot, name)(analysis, **how)


@pytest.mark.parametrize("name", NAMES)
def test_each_draws_on_axes_of_ones_own(name, analysis):
    before = dict(rcParams)
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert draw(name, analysis, ax=ax) is figure
    assert ax.lines or ax.images
    assert not other.lines
    assert not other.images
    assert dict(rcParams) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", rdm.plot.SIZES)
def test_each_shows_itself_and_no_words_are_cut_off(name, size, analysis):
    figure = draw(name, analysis, size=size)
    assert figure._repr_png_().startswith(b"\x89PNG")
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert (box.x0 >= -1, box.y0 >= -1) == (True, True)
        assert (box.x1 <= figure.bbox.x1 + 1, box.y1 <= figure.bbox.y1 + 1) == (True, True)


def test_they_draw_the_tables(analysis):
    shc = draw("overview", analysis).axes[0]
    np.testing.assert_allclose(shc.lines[0].get_ydata(), analysis.observables["shc"], rtol=1e-12)
    alarm = analysis.events["alarm_step"].iloc[0]
    assert [alarm, alarm] in [list(line.get_xdata()) for line in shc.lines]
    shares = draw("spectrum", analysis).axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(shares, analysis.spectra["share"].head(len(shares)))
    last = draw("ledger", analysis).axes[0].lines[-1].get_xdata()
    rows = analysis.ledger[analysis.ledger["column"].isin(["", "group"])]
    np.testing.assert_array_equal(last, rows["last_loss"])
    image = draw("map", analysis).axes[0].images[0].get_array()
    assert len(image) == len(analysis.sample_map.levels)


def test_a_title_and_its_key_do_not_overlap(analysis):
    for size in rdm.plot.SIZES:
        figure = draw("overview", analysis, size=size)
        FigureCanvasAgg(figure).draw()
        axes = figure.axes[0]
        assert not axes.get_legend().get_window_extent().overlaps(axes._left_title.get_window_extent())


@pytest.mark.parametrize("name", NAMES)
def test_words_of_users_are_no_markup(name):
    figure = draw(name, rdm.analyze(hostile_run(), window=12))
    assert figure._repr_png_()


def test_what_is_not_there_is_said(analysis):
    with pytest.raises(rdm.ParameterError, match=r"event is 7; this run has 1 to 1; choose one in"):
        draw("event", analysis, event=7)
    with pytest.raises(rdm.ParameterError, match="event is 1; this run has none"):
        draw("spectrum", rdm.analyze(without_event()))
    with pytest.raises(rdm.ParameterError, match="size is 'A4'; choose one of column, page, slide"):
        draw("map", analysis, size="A4")
    with pytest.raises(rdm.ParameterError, match="no column 'x' in the ledger; choose one of group"):
        draw("ledger", analysis, column="x")


def test_a_quiet_run_has_figures_too():
    quiet = rdm.analyze(without_event())
    for name in ("overview", "map", "ledger", "order"):
        assert draw(name, quiet)._repr_png_()


def test_the_whole_stack_shows_itself(analysis):
    assert analysis.plot()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("size", ["page", "slide"])
def test_words_of_leads_keep_clear_of_each_other(size):
    sample = Path(__file__).parents[1] / "sample_data" / "deep_linear.parquet"
    found = rdm.analyze(sample, truth=("mode_1", "mode_2", "mode_3", "theory_1", "theory_2"))
    figure = rdm.plot.overview(found, size=size)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    leads = [text for text in figure.axes[0].texts if "early" in text.get_text()]
    assert len(leads) >= 3
    boxes = [text.get_window_extent() for text in leads]
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])


@pytest.fixture(scope="module")
def comparison():
    runs = {f"run {n}": with_event(n) if n % 2 else without_event(n) for n in range(10)}
    return rdm.compare(runs | {"$x_{ <b>": hostile_run()}, window=12)


@pytest.mark.parametrize("size", rdm.plot.SIZES)
def test_a_comparison_shows_itself_and_no_words_are_cut_off(size, comparison):
    figure = rdm.plot.comparison(comparison, size=size)
    FigureCanvasAgg(figure).draw()
    for part in (figure.axes[0], figure.axes[0].get_legend()):
        box = part.get_tightbbox()
        assert (box.x0 >= -1, box.y0 >= -1) == (True, True)
        assert (box.x1 <= figure.bbox.x1 + 1, box.y1 <= figure.bbox.y1 + 1) == (True, True)


def strokes(axes):
    """Colour and dash of lines over steps, and steps, colours and dashes of upright ones."""
    lines, upright = [], []
    for line in axes.lines:
        x, stroke = list(line.get_xdata()), (line.get_color(), line.get_linestyle())
        if len(x) == 2 and x[0] == x[1]:
            upright.append((x[0], stroke))
        elif len(x) > 2 and line.get_marker() == "None":
            lines.append(stroke)
    return lines, upright


@pytest.mark.parametrize("whole", [False, True])
def test_alarms_of_a_comparison_have_the_colour_and_the_dash_of_their_run(comparison, whole):
    figure = comparison.plot() if whole else rdm.plot.comparison(comparison)
    lines, upright = strokes(figure.axes[0])
    assert len(set(lines)) == len(lines) == 8
    names = comparison.runs["run"].tolist()[:8]
    wanted = [
        (row.alarm_step, lines[names.index(row.run)])
        for row in comparison.events.itertuples()
        if row.run in names
    ]
    assert {dash for _, (_, dash) in wanted} == {"-", "--"}
    assert sorted(upright) == sorted(wanted)


def test_a_comparison_is_drawn_on_axes_of_ones_own(comparison):
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert rdm.plot.comparison(comparison, ax=ax) is figure
    assert ax.lines
    assert not other.lines


def test_decades_of_a_ledger_have_labels_of_our_own():
    sample = Path(__file__).parents[1] / "sample_data" / "deep_linear.parquet"
    (ax,) = rdm.plot.ledger(rdm.analyze(sample)).axes
    assert ax.get_xscale() == "log"
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["10⁰", "10¹"]
    assert not any(label.get_text() for label in ax.get_xticklabels(minor=True))

"""The first screen draws the tables: charts, marks and map, in the picture, in the data and on paper."""

import base64
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.report.charts import Chart, Line, marks, observable_charts, scalar_charts, watched_charts
from rdmtools.report.map_picture import known_of_rows, samples_picture
from rdmtools.report.page_data import charts_data
from rdmtools.report.png import SHADES, data_uri
from rdmtools.report.run_page import page
from rdmtools.report.stacked_svg import WIDE, stacked
from rdmtools.report.ticks import decade_ticks, even_ticks, labels

MOST_BYTES = 250_000


def pixels(uri):
    """The bytes of a picture, as a reader of PNG gets them back."""
    png = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    columns, rows = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    at, data = 8, b""
    while at < len(png):
        length, name = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        assert zlib.crc32(name + body) == int.from_bytes(png[at + 8 + length : at + 12 + length])
        data += body if name == b"IDAT" else b""
        at += 12 + length
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(rows, columns + 1)
    found = np.zeros((rows, columns), np.uint8)
    for row, line in enumerate(lines):
        kind, values = line[0], line[1:].astype(int)
        if kind == 1:
            values = np.cumsum(values)
        elif kind == 2 and row:
            values = values + found[row - 1]
        found[row] = values % 256
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_holds_its_bytes(seed):
    rng = np.random.default_rng(seed)
    levels = [
        rng.integers(0, 256, (3, 7)),
        np.cumsum(rng.integers(-2, 3, (5, 90)), axis=1) + 128,
        np.cumsum(rng.integers(-2, 3, (90, 5)), axis=0) + 128,
        np.full((2, 2), 9),
    ][seed].astype(np.uint8)
    np.testing.assert_array_equal(pixels(data_uri(levels)), levels)


def test_shades_differ_so_that_bytes_can_be_read_back():
    assert len({tuple(shade) for shade in SHADES.tolist()}) == 256


def test_the_map_is_the_losses():
    found = rdm.analyze(with_event(), window=12)
    levels = pixels(samples_picture(found, 100).source)
    known = known_of_rows(found)
    smooth = np.array(
        [
            low + (high - low) * (255 - level) / 255
            for (_, _, low, high), level in zip(known["rows"], levels, strict=True)
        ]
    )
    losses = found.run.losses[:, found.sample_map.order].T
    np.testing.assert_allclose(smooth[:, 5:140], losses[:, 6:141], atol=0.3)
    assert np.abs(smooth[:, 2:-2] - losses[:, 2:-2]).mean() < 0.02
    assert [name for name, _ in known["groups"]] == ["learned", "other"]
    assert [int(ids) for ids, *_ in known["rows"]] == found.sample_map.order.tolist()


def test_the_score_crosses_its_line_at_the_alarm_and_nowhere_in_a_quiet_run():
    for run, crosses in ((with_event(), True), (without_event(), False)):
        found = rdm.analyze(run, window=12)
        score, shc = watched_charts(found)
        value, fires = (line.values for line in score.lines)
        assert bool((value >= fires).any()) is crosses
        if crosses:
            assert score.steps[np.argmax(value >= fires)] == found.events["alarm_step"].iloc[0]
        np.testing.assert_allclose(10 ** shc.lines[0].values, found.observables["shc"])
        low, high = score.limits
        assert low < 0 < fires[0] < high


def test_marks_are_alarms_and_truths():
    found = rdm.analyze(with_event(), window=12, truth="accuracy")
    told, lead = marks(found), found.leads.iloc[0]
    assert list(told.alarms) == found.events["alarm_step"].tolist()
    (truth,) = told.truths
    assert (truth.t10, truth.t50, truth.t90, truth.alarm) == tuple(lead[["t10", "t50", "t90", "alarm_step"]])
    assert truth.label == f"accuracy: {lead['lead_steps']:,} steps early"
    assert truth.label in page(found)


def test_limits_do_not_zoom_in_on_noise():
    steps = np.arange(3)
    for decades, values, least in ((True, [-5.0, -5.01, -5.02], 1.0), (False, [2.0, 2.001, 1.999], 0.2)):
        line = Line(label="", role="ink", values=np.array(values))
        low, high = Chart(key="", title="", steps=steps, lines=[line], decades=decades).limits
        assert high - low >= least
        assert low < min(values) < max(values) < high
    for values in ([np.nan] * 3, [0.0] * 3, [1e300, -1e300, 0]):
        low, high = Chart(
            key="", title="", steps=steps, lines=[Line(label="", role="ink", values=np.array(values))]
        ).limits
        assert np.isfinite([low, high]).all()
        assert low < high


def test_a_drawing_has_the_points_of_its_lines():
    chart = Chart(
        key="a",
        title="<&>",
        steps=np.array([0, 10, 20, 30, 40]),
        lines=[Line(label="x", role="ink", values=np.array([0.0, 1.0, np.nan, 1.0, 0.0]))],
    )
    found = marks(rdm.analyze(without_event()))
    root = ElementTree.fromstring(stacked([chart], found, (0, 40), WIDE, height=100, spoken='"<'))
    (line,) = [path for path in root.iter("path") if "l-ink" in path.get("class", "")]
    starts = re.findall(r"M(\d+) (\d+)l0 0 ?(-?\d+) ?(-?\d+)", line.get("d"))
    across, _, right, up = (float(part) / 2 for part in starts[0])
    assert across == WIDE.left
    assert right == pytest.approx(WIDE.plot / 4, abs=1)
    assert up == pytest.approx(-100 / 1.12, abs=1)
    assert len(starts) == 2  # the gap at NaN
    assert root.get("aria-label") == '"<'
    assert "<&>" in [text.text for text in root.iter("text")]


def values_of(changes, count, decimals):
    """As the script reads them."""
    changes = [*changes, *[0] * (count - len(changes))]
    there = np.array([change is not None for change in changes])
    values = np.full(count, np.nan)
    values[there] = np.cumsum([change for change in changes if change is not None]) / 10.0**decimals
    return values


@pytest.mark.parametrize("scale", [1e-320, 1e-9, 1.0, 1e290])
def test_changes_are_read_back_as_the_values(scale):
    rng = np.random.default_rng(0)
    values = scale * np.cumsum(rng.standard_normal(50))
    values[[0, 7, 8]] = np.nan
    values[-5:] = values[-5]
    chart = Chart(key="x", title="x", steps=np.arange(50), lines=[Line(label="x", role="ink", values=values)])
    known = charts_data([chart], 900)["x"]
    low, high = known["limits"]
    told = values_of(known["lines"][0]["changes"], 50, known["decimals"])
    np.testing.assert_allclose(told, values, rtol=0, atol=max(2e-4 * (high - low), 1e-300))


def test_the_data_are_the_tables_thinned_for_the_screen_alone():
    found = rdm.analyze(with_event(), windows=(8, 12))
    for chart in [*observable_charts(found), *scalar_charts(found)[0]]:
        known = charts_data([chart], 900)[chart.key]
        low, high = known["limits"]
        for line, told in zip(chart.lines, known["lines"], strict=True):
            values = values_of(told["changes"], len(line.values), known["decimals"])
            np.testing.assert_allclose(values, line.values, atol=1e-3 * (high - low))
    assert max(len(line["changes"]) for line in charts_data([chart], 20)[chart.key]["lines"]) < 40


def test_ticks_are_few_and_round():
    assert even_ticks(0, 4000, 10) == [0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000]
    assert even_ticks(3, 3, 4) == [3]
    assert decade_ticks(-10.2, 6.1, 4) == [-10, -5, 0, 5]
    assert labels([0.0, 0.5, 1.0]) == ["0", "0.5", "1"]
    assert labels([-1e6, 0, 1e6]) == ["−1,000,000", "0", "1,000,000"]
    for low, high in ((0, 1e-300), (-1e300, 1e300), (1e15, 1e15 + 10), (1, 1 + 1e-12)):
        places = even_ticks(low, high, 5)
        assert 1 <= len(places) <= 7
        assert len(labels(places)) == len(places)


def test_a_usual_run_has_a_small_page():
    rng = np.random.default_rng(0)
    losses = 2 + 0.05 * rng.standard_normal((400, 88))
    losses[200:, :40] -= 1
    steps = np.arange(400)
    scalars = {"step": steps} | {f"scalar {n}": rng.standard_normal(400) for n in range(6)}
    samples = {"group": [f"group {n % 4}" for n in range(88)]}
    found = rdm.analyze(
        rdm.Run.from_arrays(steps, losses, scalars=scalars, samples=samples), truth="scalar 1@0"
    )
    assert len(page(found).encode()) < MOST_BYTES

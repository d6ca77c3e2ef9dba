"""Which colours have figures and pages? Roles, in light and dark; a page has a CSS variable for each."""

# Okabe and Ito's colours, told apart by the colour-blind; series beyond the fourth are dashed.
COLOURS = {
    "ink": "#1f2329",
    "muted": "#5b6470",
    "control": "#868f99",
    "rule": "#d5dae0",
    "alarm": "#d55e00",
    "span": "#fbe7da",
    "series-1": "#0072b2",
    "series-2": "#b87a00",
    "series-3": "#009e73",
    "series-4": "#a8518b",
}
SERIES = ("series-1", "series-2", "series-3", "series-4")

DARK = {
    "ink": "#e4e8ec",
    "muted": "#9aa5b1",
    "control": "#75808c",
    "rule": "#363d46",
    "alarm": "#ff9248",
    "span": "#3a2a1f",
    "series-1": "#5db8ef",
    "series-2": "#e8a520",
    "series-3": "#2cc496",
    "series-4": "#e294c8",
}

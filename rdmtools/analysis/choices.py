"""Which ways of detrending are there, and which precisions? By name, without NumPy, as flags are made."""

DEGREES = {"constant": 0, "linear": 1}
"""Degree of the polynomial that is taken out of each sample over a window, by the name of the detrending."""

PRECISIONS = {"double": "float64", "single": "float32"}
"""NumPy's name of the type in which products are made, by the name of the precision."""

"""Where has an axis its ticks, and what do they say? Few round numbers, as many digits as tell them apart."""

import math


def even_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between the limits: at most so many, at least one."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return [low]
    step = 10.0 ** math.floor(math.log10(width / most))
    step = next(step * factor for factor in (1, 2, 5, 10, 20) if width / (step * factor) < most)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [place * step for place in range(first, last + 1)] or [low]


def decade_ticks(low: float, high: float, most: int) -> list[int]:
    """Whole decades between the limits, which are exponents."""
    first, last = math.ceil(low), math.floor(high)
    every = max(math.ceil((last - first + 1) / most), 1)
    return [power for power in range(first, last + 1) if power % every == 0]


def labels(places: list[float]) -> list[str]:
    """The ticks as text, told apart; a true minus, and thousands with commas."""
    if all(place == round(place) and abs(place) < 1e7 for place in places):
        return [f"{place:,.0f}".replace("-", "−") for place in places]
    told: list[str] = []
    for digits in range(2, 18):
        told = [f"{place:.{digits}g}" for place in places]
        if len(set(told)) == len(told) and all(
            math.isclose(float(text), place, rel_tol=1e-6, abs_tol=1e-12 * max(map(abs, places)))
            for text, place in zip(told, places, strict=True)
        ):
            break
    return [text.replace("-", "−") for text in told]


def power_of_ten(power: int) -> str:
    """10⁻³ of -3."""
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))

"""The definitions again, slow and obvious, importing nothing from rdmtools: what fast paths must equal."""

import numpy as np


def residual(window, degree):
    """Each sample's polynomial trend removed by least squares on its own column."""
    rows = len(window)
    times = np.arange(rows) - (rows - 1) / 2
    design = np.vander(times, degree + 1)
    shifted = window - window[0]
    coefficients = np.linalg.lstsq(design, shifted, rcond=None)[0]
    return shifted - design @ coefficients


def covariance(window, degree):
    field = residual(window, degree)
    return field.T @ field / (len(window) - 1 - degree)


def observables(window, degree):
    """SHC, PR and the rest of one window, from all n eigenvalues of the n x n covariance."""
    samples = window.shape[1]
    field = residual(window, degree)
    eigenvalues = np.linalg.eigvalsh(covariance(window, degree))
    squares = np.sum(eigenvalues**2)
    energy = [np.sum(residual(window, d) ** 2) for d in (0, 1)]
    total = np.sum(field**2)
    moves = total > 0
    return {
        "shc": squares / samples - (np.sum(eigenvalues) / samples) ** 2,
        "pr": np.sum(eigenvalues) ** 2 / squares if moves else np.nan,
        "total_variance": np.sum(eigenvalues),
        "drift_share": 1 - energy[1] / energy[0] if energy[0] > 0 else np.nan,
        "autocorrelation": np.sum(field[1:] * field[:-1]) / total if moves else np.nan,
    }


def mean_baselines(window, steps, degree):
    mean = window.mean(axis=1)
    slope = np.polyfit(steps - steps[0], mean, 1)[0]
    variance = np.sum(residual(mean[:, None], degree) ** 2) / (len(window) - 1 - degree)
    return {"mean_loss": mean.mean(), "mean_loss_variance": variance, "mean_loss_slope": slope}


def rises(levels, threshold):
    """(floor, alarm, peak, end) of every event, from the rule's words, looking only backwards."""
    events, floor, event = [], None, None
    for now, level in enumerate(levels):
        if not np.isfinite(level):
            continue
        if event is None:
            if floor is None or level < levels[floor]:
                floor = now
            if level - levels[floor] >= threshold:
                event = [floor, now, now, None]
        else:
            if level > levels[event[2]]:
                event[2] = now
            if levels[event[2]] - level >= threshold / 2:
                event[3] = now
                events.append(tuple(event))
                event, floor = None, now
    return events + ([tuple(event)] if event else [])


def alarms(levels, threshold, *, fixed_floor):
    """Whether the rule fires at each window."""
    if not fixed_floor:
        fired = {alarm for _, alarm, _, _ in rises(levels, threshold)}
        return [now in fired for now in range(len(levels))]
    fired, armed = [], True
    for level in levels:
        fires = bool(armed and np.isfinite(level) and level >= threshold)
        if fires:
            armed = False
        elif not armed and np.isfinite(level) and level <= threshold / 2:
            armed = True
        fired.append(fires)
    return fired


def largest_rise(levels, *, fixed_floor):
    """The largest height of any window above one before it, or above 0; -inf of none."""
    known = [level for level in levels if np.isfinite(level)]
    heights = [
        level - floor
        for now, level in enumerate(known)
        for floor in ([0.0] if fixed_floor else known[: now + 1])
    ]
    return max(heights, default=-np.inf)

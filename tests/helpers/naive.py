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


def log_energies(losses, window):
    """u of each signal at each row, from the rows themselves."""
    half = window // 2
    names = ("shc", "mean_slope", "total_variance", "drift_energy", "mean_loss_variance")
    u = {name: [np.nan] * (half - 1) for name in names}
    for stop in range(half, len(losses) + 1):
        rows = losses[stop - half : stop]
        mean = rows.mean(axis=1) - rows[0].mean()
        (slope, _), scatter = np.polyfit(np.arange(half), mean, 1, cov=True)
        u["shc"].append(np.log10(observables(rows, 0)["shc"]))
        u["mean_slope"].append(2 * np.log10(slope**2 + scatter[0, 0]))
        energy = [np.sum(residual(rows, degree) ** 2) for degree in (0, 1)]
        u["total_variance"].append(2 * np.log10(energy[0] / (half - 1)))
        u["drift_energy"].append(2 * np.log10((energy[0] - energy[1]) / (half - 1)))
        u["mean_loss_variance"].append(2 * np.log10(np.var(mean, ddof=1)))
    return {name: np.array(values) for name, values in u.items()}


def warnings(u, window, threshold, prior, costs, trimmed=0, pause=3):
    """Scores, scatter and (floor, alarm, peak, end) of each event of one signal, from the rule's words."""
    half, many, few = window // 2, 3 * window // 2, window // 4
    filled, taught, seconds, scores, scatters, events = [], [], [], [], [], []
    event, since, enough, levels, resume, needed = None, None, many, [], 0, np.nan
    for now, value in enumerate(u):
        known = np.isfinite(value)
        filled.append(value if known else filled[-1] if filled else np.nan)
        if since is None and known:
            since = now
        old = [now - lag * window for lag in (1, 2, 3)]
        if old[-1] >= 0 and all(taught[row] for row in old):
            late, middle, early = (filled[row] for row in old)
            seconds.append(round(abs(middle - (late + early) / 2) * 1024) / 1024)
        windows = len(seconds) / window if len(seconds) >= window // 2 else 0
        own = np.quantile(seconds, 0.8) / (1.2815515655446004 * 1.5**0.5) if windows else 0
        scatters.append(np.sqrt((prior**2 + windows * own**2) / (1 + windows)))
        taught.append(bool(known) and event is None and now >= resume)
        scores.append(np.nan)
        if event is not None:
            if known and value > filled[event[2]]:
                event[2] = now
            elif known and filled[event[2]] - value >= needed / 2 and now - event[1] >= half:
                event[3] = now
                event, since, enough, levels, resume = None, now + 1, window, [], now + 1 + pause * window
        elif known and now - since + 1 >= enough:
            armed = filled[since:]
            lowest = sorted(armed[-many:])
            lowest = lowest[: len(lowest) - len(lowest) // trimmed] if trimmed else lowest
            statistics = {"mean": np.mean(lowest), "jump": np.mean(filled[-few:])}
            slope, end = np.polyfit(np.arange(half) - (half - 1), filled[-half:], 1)
            about = filled[-half:] - (slope * (np.arange(half) - (half - 1)) + end)
            statistics["ramp"] = end - 2 * np.sqrt(np.sum(about**2) / (half - 2))
            levels.append((statistics["mean"], now))
            level, floor = min(levels)
            scores[-1] = max(
                (statistics[name] - level - 0.3) / scatters[-1] / cost for name, cost in costs.items()
            )
            if scores[-1] >= threshold:
                event = [floor, now, now, None]
                needed = 0.3 + costs["mean"] * threshold * scatters[-1]
                events.append(event)
                for row in range(max(now - many + 1, 0), now + 1):
                    taught[row] = False
    return np.array(scores), np.array(scatters), [tuple(event) for event in events]


def beat(u, window):
    """Scatter at half the lag over that at the lag, at each row, from the words of `own_past`."""
    values = []
    for now in range(len(u)):
        known = u[: now + 1]
        scatter = []
        for lag in (window // 2, window):
            d = [abs(known[t - lag] - (known[t] + known[t - 2 * lag]) / 2) for t in range(2 * lag, now + 1)]
            d = np.round(np.array([each for each in d if np.isfinite(each)]) * 1024) / 1024
            scatter.append(np.quantile(d, 0.8) / (1.2815515655446004 * 1.5**0.5) if len(d) else np.nan)
        enough = np.isfinite(known).sum() >= 5 * window
        values.append(scatter[0] / max(scatter[1], 0.03) if enough else np.nan)
    return np.array(values)

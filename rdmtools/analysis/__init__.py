"""Arrays in, arrays out: from losses to observables, modes and events. No I/O below the pipeline."""

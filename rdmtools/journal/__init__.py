"""Which rows do the starts of a training leave, over all its ranks? The rule, for who reads or merges them.

    attempt   what one process recorded between its start and its end: parts and segments, in order
    start     the attempts of all ranks that ran together; each has its shard of the samples
    journal   the starts in order; each supersedes what earlier ones logged from its first step on

Only steps that every shard of a start has are rows of the run. Losses, scalars and draws go each by their own
steps. Nothing here is held in memory but the steps; what holds the losses reads them when asked. pyarrow and
NumPy alone, because a training job merges its own journal.
"""

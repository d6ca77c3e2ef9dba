"""Which samples to watch."""

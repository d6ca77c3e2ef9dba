"""A run in memory: steps, samples and losses, and the rules that make it clean."""

"""When to say it: rules over levels, arrays alone."""

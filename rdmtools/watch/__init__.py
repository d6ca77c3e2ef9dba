"""Warnings while it trains: in the loop, in a framework's callback, or beside a run that is being logged."""

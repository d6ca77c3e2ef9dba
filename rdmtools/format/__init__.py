"""What is on disk: names, records, locks and tables, by NumPy and pyarrow alone."""

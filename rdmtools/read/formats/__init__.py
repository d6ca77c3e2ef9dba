"""What losses are in files of some other form? Each module reads one form; `forms` tells which."""

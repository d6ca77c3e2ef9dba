"""The `rdmtools` command: reads arguments, calls the library, prints."""

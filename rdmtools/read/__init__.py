"""Files of any kind -> a `Run`."""

"""One published method per file, a function of the same name that returns a `Recipe`."""

"""One pass a file: lowerings, analyses, transformations, legality."""

"""``python -m pom``."""

from pom.cli import main

main()

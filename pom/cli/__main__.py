"""``python -m pom.cli``."""

from pom.cli import main

main()

"""Tests of the models of quality of results."""

"""Tests of pom.passes."""

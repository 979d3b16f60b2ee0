"""Design-space exploration: space, strategies, store, reports."""

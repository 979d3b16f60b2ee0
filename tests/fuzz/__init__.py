"""Random programs and schedules through the whole tool; see docs/testing.md."""

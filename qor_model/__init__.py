"""Quality of results: latency and resources before synthesis."""

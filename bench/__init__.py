"""The benchmarks: real HTTP from a separate process against a real server on a durable PostgreSQL, audited at the end."""

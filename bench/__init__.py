"""The benchmarks: real HTTP from another process against a real server on a durable PostgreSQL, then an audit."""

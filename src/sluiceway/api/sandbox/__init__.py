"""The sandbox at /sandbox: a simulated outside world, for organizations that are not live."""

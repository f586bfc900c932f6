"""The remote API, the oldest generation: a beneficiary's accounts, and rules run by their secrets."""

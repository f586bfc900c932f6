"""The generation at /api/v1: snake_case, `Authorization: ApiKey`, prefixed ids."""

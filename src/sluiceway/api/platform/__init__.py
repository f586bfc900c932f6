"""The generation /platform/v1: camelCase, `Authorization: Bearer`, UUIDs, pages by number."""

"""PostgreSQL: the only package that speaks SQL. `database` opens it, `migrate` shapes it, `embedded` runs one."""

"""Which reports were shown on which engine, from results: the table in README."""

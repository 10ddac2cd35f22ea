"""Which program next: populations, operators, strategies, lineage."""

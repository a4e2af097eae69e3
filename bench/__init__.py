"""The benchmark: this exporter beside its peers, the same questions, one PostgreSQL, one run on one machine.

`python -m bench --help` says what can be chosen; `bench/RESULTS.md` is what a whole run writes.
"""

-- Let the planner avoid to read a relation whole, so that EXPLAIN tells whether it must.
select set_config('enable_seqscan', %(setting)s, true)

-- Let the planner do or not do something, for this transaction.
select set_config(%(name)s, %(value)s, true)

-- What no row can be, if the expression has one value for it: the planner then has nothing to read.
select 1 from {relation} where ({expression}) is null and ({expression}) is not null

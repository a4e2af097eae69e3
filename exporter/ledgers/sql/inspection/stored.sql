-- The rows of a relation, whatever a mapping makes of them.
select 1 from {relation}

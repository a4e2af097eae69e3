-- The type of an expression over a relation, and whether it can be cast to the type that is needed; no row is read.
select
    pg_typeof((select ({expression}) from {relation} where false))::text,
    (select ({expression}){cast} from {relation} where false)::text

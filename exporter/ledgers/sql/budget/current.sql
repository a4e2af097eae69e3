-- The budget: the allocations of the newest day in the ledger that is not after today, by quest.
with allocation as ({rows})
select quest, sum(usd)
from allocation
where usd is not null and day = (select max(day) from allocation where usd is not null and day <= %(today)s)
group by 1

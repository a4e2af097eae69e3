-- On which of the last days each task was charged by each provider: bit n is n days ago, bit 30 all earlier days.
with charge as ({rows})
select provider, task, bit_or(1::bigint << least(%(today)s - day, 30))
from charge
where day <= %(today)s and usd is not null and task is not null
group by 1, 2

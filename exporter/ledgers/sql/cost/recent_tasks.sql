-- What each task was charged today and yesterday, finished or not.
with charge as ({rows})
select task, quest, sum(usd), sum(tokens_in), sum(tokens_out), count(*)
from charge
where instant >= %(yesterday_start)s and instant < %(tomorrow_start)s
    and day is not null and usd is not null and task is not null
group by 1, 2

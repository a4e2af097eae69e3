-- A ledger of calls with text ids: a call is booked when it has ended, with the instant of its start.
create table calls (
    id          text primary key,
    created_at  timestamptz not null,
    quest_id    text not null,
    cost_usd    numeric not null
);
create index on calls (created_at);

-- The emergency reset for a PostgreSQL registry, for when the program itself can't run.
--
-- It shows the runs and sessions that are stuck (part 1), ends them as timed out in one transaction (part 2), and shows the result
-- (part 3). Steps, records and files stay; a second execution resets nothing. Type in the project's folder:
--
--   psql -v ON_ERROR_STOP=1 "$REGISTRY_URL" -f scripts/sql/reset-stuck.postgres.sql
--
-- To change nothing and only see what is stuck (part 1):
--
--   sed '/^-- Part 2/,$d' scripts/sql/reset-stuck.postgres.sql | psql "$REGISTRY_URL"
--
-- The script ends no browsers. A program that still runs notices within seconds that it lost its session, and ends its browser. If the
-- program is gone, the browser's watchdog has ended it. Part 3 names the processes. To see if any is left, type on that host:
--
--   ps -ww -o pid,lstart,args -p PID      (if its arguments contain /wds-, it is a leftover: kill PID)
--
-- If the script ends with "lock timeout", nothing was reset: a program hangs in a transaction. Find it and end its connection:
--
--   select pid, state, xact_start, query from pg_stat_activity where xact_start < now() - interval '10 seconds';
--   select pg_terminate_backend(PID);
--
-- To resume a run: npm run action -- NAME --resume RUN (part 3 prints the commands).
--
-- A run is stuck if it is `processing` and has made no progress for longer than the timeout. The timeout of a large run is longer, at most
-- three times as long. A live session without such a run is stuck if it got no command for longer than the timeout.

set client_min_messages = warning;

drop table if exists pg_temp.reset_stuck_settings cascade;
create temp table reset_stuck_settings as
select 30 as timeout_minutes, -- <- the timeout in minutes: edit this line
  clock_timestamp() as now;

-- An invalid time in a damaged row counts as unknown.
create or replace temp view reset_stuck_view as
with run as (
  select
    id, owner, action, token, last_progress,
    case when last_progress ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$'
      then extract(epoch from settings.now - cast(last_progress as timestamptz)) / 60 end as minutes,
    settings.timeout_minutes * least(1 + greatest(total, coalesce(display_total, 0)) / 1000.0, 3) as allowed_minutes
  from runs
  cross join lateral (select coalesce(last_progress_at, started_at, created_at) as last_progress) as looked
  cross join pg_temp.reset_stuck_settings as settings
  where status = 'processing'
),
live as (
  select
    sessions.id, owner, run_id, token, last_used_at,
    case when last_used_at ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$'
      then extract(epoch from settings.now - cast(last_used_at as timestamptz)) / 60 end as minutes,
    settings.timeout_minutes as allowed_minutes
  from sessions
  cross join pg_temp.reset_stuck_settings as settings
  where status in ('starting', 'active')
)
-- Each run with the sessions that work for it. A session that was taken over from an earlier run is found only by its token.
select
  'run' as what, live.id as session_id, run.owner, run.id as run_id, run.action, run.last_progress, run.minutes, run.allowed_minutes
from run
left join live on live.run_id = run.id or live.token = run.token
where run.minutes > run.allowed_minutes
union all
select 'session', live.id, live.owner, live.run_id, null, live.last_used_at, live.minutes, live.allowed_minutes
from live
where live.minutes > live.allowed_minutes
  and not exists (select 1 from run where run.id = live.run_id or run.token = live.token);

-- Part 1: the stuck runs and sessions, with the minutes since their last progress.

select
  what, session_id, owner, run_id, action, last_progress,
  round(cast(minutes as numeric), 1) as minutes, round(cast(allowed_minutes as numeric), 1) as allowed_minutes
from pg_temp.reset_stuck_view
order by minutes desc, run_id, session_id;

-- Part 2: the reset, in one transaction.

begin;

set local lock_timeout = '10s';

-- Sessions before runs, each by id: the program locks rows in the same order, so there is no deadlock.
drop table if exists pg_temp.reset_stuck_sessions;
create temp table reset_stuck_sessions as
select id from sessions
where id in (select session_id from pg_temp.reset_stuck_view)
order by id
for update;

drop table if exists pg_temp.reset_stuck_runs;
create temp table reset_stuck_runs as
select id from runs
where id in (select run_id from pg_temp.reset_stuck_view where what = 'run')
order by id
for update;

-- The rows are read again under the locks: a run that has made progress meanwhile is not reset.
drop table if exists pg_temp.reset_stuck_done;
create temp table reset_stuck_done as
select
  stuck.*,
  case what
    when 'run' then 'no progress for ' || trunc(minutes) || ' min; reset by hand'
    else 'no run and no command for ' || trunc(minutes) || ' min; reset by hand'
  end as message
from pg_temp.reset_stuck_view as stuck
where (session_id is null or session_id in (select id from pg_temp.reset_stuck_sessions))
  and (what = 'session' or run_id in (select id from pg_temp.reset_stuck_runs));

update sessions set
  status = 'timed_out',
  ended_at = (select to_char(now at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from pg_temp.reset_stuck_settings),
  error_message = (select min(message) from pg_temp.reset_stuck_done where session_id = sessions.id)
where id in (select session_id from pg_temp.reset_stuck_done)
  and status in ('starting', 'active');

insert into events (at, type, owner, session_id, run_id, status, message)
select ended_at, 'session_timeout', owner, id, run_id, status, error_message
from sessions
where id in (select session_id from pg_temp.reset_stuck_done)
order by id;

update runs set
  token = null,
  status = 'timed_out',
  error_code = 'run-timed-out',
  error_message = (select min(message) from pg_temp.reset_stuck_done where what = 'run' and run_id = runs.id),
  ended_at = (select to_char(now at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from pg_temp.reset_stuck_settings),
  updated_at = (select to_char(now at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from pg_temp.reset_stuck_settings),
  cancelled = cancelled + queued + running,
  queued = 0,
  running = 0
where id in (select run_id from pg_temp.reset_stuck_done where what = 'run')
  and status = 'processing';

insert into events (at, type, owner, run_id, status, message)
select ended_at, 'run_ended', owner, id, status, error_message
from runs
where id in (select run_id from pg_temp.reset_stuck_done where what = 'run')
order by id;

commit;

-- Part 3: the number that is still stuck (0), the reset runs with their counts, and the processes of their sessions.

select count(*) as still_stuck from pg_temp.reset_stuck_view;

select
  id as run_id, status, total, done, failed, cancelled, skipped, records, 'npm run action -- ' || action || ' --resume ' || id as go_on
from runs
where id in (select run_id from pg_temp.reset_stuck_done where what = 'run')
order by id;

select id as session_id, status, owner, run_id, host, pid, driver_pid, browser_pid, folder, endpoint
from sessions
where id in (select session_id from pg_temp.reset_stuck_done)
order by id;

reset client_min_messages;

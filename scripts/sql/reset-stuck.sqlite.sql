-- The emergency reset for a SQLite registry, for when the program itself can't run.
--
-- It shows the runs and sessions that are stuck (part 1), ends them as timed out in one transaction (part 2), and shows the result
-- (part 3). Steps, records and files stay; a second execution resets nothing. Type in the project's folder, as the user of the runs:
--
--   sqlite3 -bail -header -column .supervisor/registry.db < scripts/sql/reset-stuck.sqlite.sql
--
-- To change nothing and only see what is stuck (part 1):
--
--   sed '/^-- Part 2/,$d' scripts/sql/reset-stuck.sqlite.sql | sqlite3 -bail -header -column .supervisor/registry.db
--
-- Without the sqlite3 program (this prints nothing; see the result with the command above or with `npm run runs`):
--
--   node -e "new (require('node:sqlite').DatabaseSync)('.supervisor/registry.db').exec(fs.readFileSync('scripts/sql/reset-stuck.sqlite.sql', 'utf8'))"
--
-- The script ends no browsers. A program that still runs notices within seconds that it lost its session, and ends its browser. If the
-- program is gone, the browser's watchdog has ended it. Part 3 names the processes. To see if any is left, type on that host:
--
--   ps -ww -o pid,lstart,args -p PID      (if its arguments contain /wds-, it is a leftover: kill PID)
--
-- To resume a run: npm run action -- NAME --resume RUN (part 3 prints the commands).
--
-- A run is stuck if it is `processing` and has made no progress for longer than the timeout. The timeout of a large run is longer, at most
-- three times as long. A live session without such a run is stuck if it got no command for longer than the timeout.

drop table if exists temp.reset_stuck_settings;
create temp table reset_stuck_settings as
select 30 as timeout_minutes, -- <- the timeout in minutes: edit this line
  strftime('%Y-%m-%dT%H:%M:%fZ', 'now') as now;

-- Milliseconds to wait while another program writes.
pragma busy_timeout = 10000;

drop view if exists temp.reset_stuck_view;
create temp view reset_stuck_view as
with run as (
  select
    id, owner, action, token,
    coalesce(last_progress_at, started_at, created_at) as last_progress,
    (julianday(settings.now) - julianday(coalesce(last_progress_at, started_at, created_at))) * 1440 as minutes,
    settings.timeout_minutes * min(1 + max(total, coalesce(display_total, 0)) / 1000.0, 3) as allowed_minutes
  from runs, temp.reset_stuck_settings as settings
  where status = 'processing'
),
live as (
  select
    sessions.*,
    (julianday(settings.now) - julianday(last_used_at)) * 1440 as minutes,
    settings.timeout_minutes as allowed_minutes
  from sessions, temp.reset_stuck_settings as settings
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
  what, session_id, owner, run_id, action, last_progress, round(minutes, 1) as minutes, round(allowed_minutes, 1) as allowed_minutes
from temp.reset_stuck_view
order by minutes desc, run_id, session_id;

-- Part 2: the reset, in one transaction.

begin immediate;

drop table if exists temp.reset_stuck_done;
create temp table reset_stuck_done as
select
  stuck.*,
  case what
    when 'run' then 'no progress for ' || cast(minutes as integer) || ' min; reset by hand'
    else 'no run and no command for ' || cast(minutes as integer) || ' min; reset by hand'
  end as message
from temp.reset_stuck_view as stuck;

update sessions set
  status = 'timed_out',
  ended_at = (select now from temp.reset_stuck_settings),
  error_message = (select min(message) from temp.reset_stuck_done where session_id = sessions.id)
where id in (select session_id from temp.reset_stuck_done)
  and status in ('starting', 'active');

insert into events (at, type, owner, session_id, run_id, status, message)
select ended_at, 'session_timeout', owner, id, run_id, status, error_message
from sessions
where id in (select session_id from temp.reset_stuck_done)
order by id;

update runs set
  token = null,
  status = 'timed_out',
  error_code = 'run-timed-out',
  error_message = (select min(message) from temp.reset_stuck_done where what = 'run' and run_id = runs.id),
  ended_at = (select now from temp.reset_stuck_settings),
  updated_at = (select now from temp.reset_stuck_settings),
  cancelled = cancelled + queued + running,
  queued = 0,
  running = 0
where id in (select run_id from temp.reset_stuck_done where what = 'run')
  and status = 'processing';

insert into events (at, type, owner, run_id, status, message)
select ended_at, 'run_ended', owner, id, status, error_message
from runs
where id in (select run_id from temp.reset_stuck_done where what = 'run')
order by id;

commit;

-- Part 3: the number that is still stuck (0), the reset runs with their counts, and the processes of their sessions.

select count(*) as still_stuck from temp.reset_stuck_view;

select
  id as run_id, status, total, done, failed, cancelled, skipped, records, 'npm run action -- ' || action || ' --resume ' || id as go_on
from runs
where id in (select run_id from temp.reset_stuck_done where what = 'run')
order by id;

select id as session_id, status, owner, run_id, host, pid, driver_pid, browser_pid, folder, endpoint
from sessions
where id in (select session_id from temp.reset_stuck_done)
order by id;

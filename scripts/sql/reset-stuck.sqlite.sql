-- The emergency reset for a SQLite registry, for when the program itself can't run.
--
-- It shows the runs and sessions that are stuck (part 1), ends them as timed out in one transaction (part 2), and shows what became of
-- them (part 3). Steps, records and files stay; a second execution resets nothing. In the project's folder, as the user of the runs:
--
--   sqlite3 -bail -header -column .supervisor/registry.db < scripts/sql/reset-stuck.sqlite.sql
--
-- Only look, change nothing (part 1 alone):
--
--   sed '/^-- Part 2/,$d' scripts/sql/reset-stuck.sqlite.sql | sqlite3 -bail -header -column .supervisor/registry.db
--
-- Without the sqlite3 program (it prints nothing; look again with the line above, or with `npm run runs`):
--
--   node -e "new (require('node:sqlite').DatabaseSync)('.supervisor/registry.db').exec(fs.readFileSync('scripts/sql/reset-stuck.sqlite.sql', 'utf8'))"
--
-- It ends no browsers. A program that still runs learns within seconds that its session was taken away, and ends its browser; where the
-- program is gone, the browser's watchdog has ended it. Part 3 names the processes; to see whether any is left, type on that host:
--
--   ps -ww -o pid,lstart,args -p PID      (one of ours has /wds- in its arguments: then kill PID)
--
-- To go on where a run stopped: npm run action -- NAME --resume RUN (part 3 has the lines).
--
-- Stuck is a run that is `processing` without progress for longer than the timeout; a large one is allowed more, at most three times as
-- much. So is a live session without such a run and without a command for longer than the timeout.

drop table if exists temp.reset_stuck_settings;
create temp table reset_stuck_settings as
select 30 as timeout_minutes, -- <- the timeout in minutes: edit this line
  strftime('%Y-%m-%dT%H:%M:%fZ', 'now') as now;

-- Milliseconds to wait while a program that runs is writing.
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
-- A run with each session that works for it. One that was taken over from an earlier run is known by its token only.
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

-- Part 1: what is stuck, and for how long.

select
  what, session_id, owner, run_id, action, last_progress, round(minutes, 1) as minutes, round(allowed_minutes, 1) as allowed_minutes
from temp.reset_stuck_view
order by minutes desc, run_id, session_id;

-- Part 2: the reset, all of it or nothing.

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

-- Part 3: how many are stuck still (0), the runs that were reset with what is kept of them, and their sessions' processes.

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

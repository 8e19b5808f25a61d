/**
 * Observes the registry: triggers record each claim, begin, commit and finished step within its transaction, and
 * copies of the tables can be restored. It uses its own connections, without the code under test.
 */
import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

import { Client } from 'pg';

import type { RawRow } from '../../support/raw-sql.ts';
import { toChanges, toMark, toState, STATE_QUERIES } from './audit-rows.ts';
import type { Change, RegistryState, RunMark } from './history.ts';

const COPIED = ['sessions', 'runs', 'steps', 'records', 'events', 'counters'];
/** The wait for locks. A process that is suspended in a transaction holds them, and then the change of the registry is skipped. */
const LOCK_LIMIT_MS = 300;
const LOCK_PAUSE_MS = 5;

export interface Restored {
  readonly before: RunMark;
  readonly after: RunMark;
}

export class Witness {
  readonly #url: string;
  /** The folder to which a link leads; a replaced file gets a folder beside it. Undefined on PostgreSQL. */
  readonly #link: string | undefined;
  #generation = 1;

  /** Opens the witness, once for a registry that has its tables. For SQLite `url` names a file below a link. */
  static async open(url: string): Promise<Witness> {
    const witness = new Witness(url);
    await witness.#transact(witness.#installation());
    return witness;
  }

  private constructor(url: string) {
    this.#url = url;
    this.#link = url.startsWith('sqlite:') ? path.dirname(url.slice('sqlite:'.length)) : undefined;
  }

  async changes(): Promise<Change[]> {
    const [rows = []] = await this.#read(['select * from history_audit order by id']);
    return toChanges(rows);
  }

  async state(): Promise<RegistryState> {
    return toState(await this.#read(STATE_QUERIES('')));
  }

  /** Copies all tables at one moment. Returns undefined if they are locked. */
  async copy(): Promise<RegistryState | undefined> {
    const statements = COPIED.flatMap((table) => [
      `delete from copied_${table}`,
      `insert into copied_${table} select * from ${table}`,
    ]);
    // By default each statement of PostgreSQL reads the commits before its own start.
    const atOneMoment = this.#link === undefined ? ['set transaction isolation level repeatable read'] : [];
    const before = [...atOneMoment, ...statements];
    const answers = await this.#transact([...before, ...STATE_QUERIES('copied_')]);
    return answers === undefined ? undefined : toState(answers.slice(before.length));
  }

  /** Restores the copy into the tables. Returns undefined if they are locked. */
  async restore(): Promise<Restored | undefined> {
    const mark = 'select token, writer, pid, commit_number from runs';
    const answers = await this.#transact([
      ...(this.#link === undefined ? [`lock table ${COPIED.join(', ')} in access exclusive mode`] : []),
      mark,
      ...this.#restoration(),
      mark,
    ]);
    if (answers === undefined) return undefined;
    return { before: toMark(answers[this.#link === undefined ? 1 : 0]), after: toMark(answers.at(-1)) };
  }

  /** Restores the copy as another file, as if the folder were replaced. SQLite only. */
  async replaceFile(): Promise<Restored | undefined> {
    const link = this.#link ?? '';
    const file = path.join(link, 'registry.db');
    using locked = new DatabaseSync(file, { timeout: 0 });
    if (!(await tryLock(locked))) return undefined;
    this.#generation += 1;
    const folder = path.join(path.dirname(link), `generation-${this.#generation}`);
    mkdirSync(folder);
    using reader = new DatabaseSync(file);
    reader.exec(`vacuum into '${folder}/registry.db'`);
    const restored = await new Witness(`sqlite:${folder}/registry.db`).restore();
    symlinkSync(folder, `${link}.next`);
    renameSync(`${link}.next`, link);
    locked.exec('rollback');
    return restored;
  }

  /** Holds the lock of the run's row, or on SQLite that of the whole file. Resolves when it has the lock or could not get it. */
  async holdLock(forMs: number): Promise<void> {
    const held = Promise.withResolvers<void>();
    void this.#transact(['select 1', 'update runs set records = records'], async () => {
      held.resolve();
      await pause(forMs);
    }).finally(held.resolve);
    await held.promise;
  }

  #installation(): string[] {
    const isSqlite = this.#link !== undefined;
    const id = isSqlite ? 'integer primary key autoincrement' : 'bigint generated always as identity primary key';
    const differs = isSqlite ? 'is not' : 'is distinct from';
    const worker = isSqlite ? `new.value ->> '$.by'` : `cast(cast(new.value as json) ->> 'by' as bigint)`;
    // On PostgreSQL each process has its name in its connection. SQLite has no such name, so the pid of the run's row is used.
    const committer = isSqlite ? 'new.pid' : `cast(current_setting('history.pid') as bigint)`;
    const step = `'step', null, (select pid from runs where id = new.run_id), null, null, new.key, ${worker}`;
    const triggers = [
      ['insert on sessions', 'new.epoch = 1', `'claim', new.token, new.pid, null, null, new.id, null`],
      [
        'update on runs',
        `new.writer ${differs} old.writer`,
        `'begin', new.token, new.pid, null, new.commit_number, new.writer, null`,
      ],
      [
        'update on runs',
        'new.commit_number <> old.commit_number',
        `'commit', old.token, ${committer}, old.commit_number, new.commit_number, null, null`,
      ],
      ['insert on steps', `new.status = 'done'`, step],
      ['update on steps', `new.status = 'done'`, step],
    ] as const;
    return [
      `create table history_audit (id ${id}, kind text, token bigint, pid bigint, before bigint, number bigint, detail text, worker bigint)`,
      'create table history_restoring (yes integer)',
      ...COPIED.map((table) => `create table copied_${table} as select * from ${table} where false`),
      ...triggers.flatMap(([change, when, columns], index) => {
        const name = `history_${index}`;
        const note = `insert into history_audit (kind, token, pid, before, number, detail, worker)
          select ${columns} where not exists (select 1 from history_restoring);`;
        if (isSqlite) return [`create trigger ${name} after ${change} when ${when} begin ${note} end`];
        return [
          `create function ${name}() returns trigger language plpgsql as $$ begin ${note} return null; end $$`,
          `create trigger ${name} after ${change} for each row when (${when}) execute function ${name}()`,
        ];
      }),
    ];
  }

  #restoration(): string[] {
    const overriding = this.#link === undefined ? 'overriding system value' : '';
    return [
      'insert into history_restoring values (1)',
      ...COPIED.flatMap((table) => [
        `delete from ${table}`,
        `insert into ${table} ${table === 'events' ? overriding : ''} select * from copied_${table}`,
      ]),
      'delete from history_restoring',
      `insert into history_audit (kind) values ('restored')`,
    ];
  }

  /** Reads the state at one moment, without waiting. */
  async #read(statements: readonly string[]): Promise<RawRow[][]> {
    if (this.#link === undefined) {
      await using client = await connect(this.#url);
      await client.run('begin isolation level repeatable read');
      return await client.runAll(statements);
    }
    using database = new DatabaseSync(this.#url.slice('sqlite:'.length), { timeout: 5_000 });
    database.exec('begin');
    return statements.map((statement) => database.prepare(statement).all());
  }

  /** Runs all statements in one transaction, then `last` before its commit. Returns undefined if a row or table is locked. */
  async #transact(statements: readonly string[], last?: () => Promise<void>): Promise<RawRow[][] | undefined> {
    if (this.#link === undefined) {
      await using client = await connect(this.#url);
      try {
        await client.run('begin');
        const answers = await client.runAll(statements);
        await last?.();
        await client.run('commit');
        return answers;
      } catch (thrown) {
        if (isLocked(thrown)) return undefined;
        throw thrown;
      }
    }
    using database = new DatabaseSync(this.#url.slice('sqlite:'.length), { timeout: 0 });
    if (!(await tryLock(database))) return undefined;
    const answers = statements.map((statement) => database.prepare(statement).all());
    await last?.();
    database.exec('commit');
    return answers;
  }
}

async function connect(url: string) {
  const client = new Client({ connectionString: url, lock_timeout: LOCK_LIMIT_MS });
  await client.connect();
  const run = async (statement: string) => (await client.query<RawRow>(statement)).rows;
  return {
    run,
    async runAll(statements: readonly string[]) {
      const answers: RawRow[][] = [];
      for (const statement of statements) answers.push(await run(statement));
      return answers;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

/** 55P03: lock not available; 40P01: deadlock. */
function isLocked(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === '55P03' || thrown.code === '40P01');
}

/** Tries to lock the file. Pauses between attempts instead of blocking, because the servers of the schedule run in this thread. */
async function tryLock(database: DatabaseSync): Promise<boolean> {
  const deadline = performance.now() + LOCK_LIMIT_MS;
  for (;;) {
    try {
      database.exec('begin immediate');
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Error && /locked|busy/i.test(thrown.message))) throw thrown;
      if (performance.now() > deadline) return false;
      await pause(LOCK_PAUSE_MS);
    }
  }
}

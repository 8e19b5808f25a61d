/** The alerts and the notices that were sent. They are stored, so that a restarted monitor sends no notice twice and misses none. */
import type { Database } from '../sql/database.ts';
import { appendEvent } from './events.ts';
import { toStorableText } from '../sql/row-id.ts';
import type { AlertsTable } from '../sql/tables.ts';

export const ALERT_STATUSES = ['firing', 'recovered', 'closed'] as const;
/** `closed` means that the alert is over without a recovery; no notice is sent. */
export type AlertStatus = (typeof ALERT_STATUSES)[number];

export interface NewAlert {
  /** The key of the rule and its subject. */
  readonly key: string;
  readonly rule: string;
  readonly severity: 'warning' | 'critical';
  readonly message: string;
  readonly next: string | null;
  readonly owner: string | null;
  readonly runId: string | null;
  readonly sessionId: string | null;
}

export interface StoredAlert extends NewAlert {
  readonly status: AlertStatus;
  /** The time at which it began to fire; UTC, ISO 8601. */
  readonly since: string;
  readonly updatedAt: string;
  /** The status in the last notice and the `since` of the alert at that time, by sink. */
  readonly delivered: Readonly<Record<string, { readonly status: AlertStatus; readonly since: string }>>;
}

export class AlertLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Lists the firing alerts, then those that are over and not yet removed. */
  async list(): Promise<StoredAlert[]> {
    const rows = await this.#database.read((db) => db.selectFrom('alerts').selectAll().orderBy('since').execute());
    const alerts = rows.map(toAlert);
    return [
      ...alerts.filter(({ status }) => status === 'firing'),
      ...alerts.filter(({ status }) => status !== 'firing'),
    ];
  }

  /** Stores that the alert fires. Returns true if it did not fire before; then it also appends an event. */
  raise(alert: NewAlert): Promise<boolean> {
    const { key, rule, severity, next, owner, runId, sessionId } = alert;
    const now = new Date().toISOString();
    const message = toStorableText(alert.message);
    const columns = { rule, severity, message, next, owner, runId, sessionId, updatedAt: now };
    return this.#database.write(async (db) => {
      const inserted = await db
        .insertInto('alerts')
        .values({ ...columns, key, status: 'firing', since: now, delivered: '{}' })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .returning('key')
        .executeTakeFirst();
      const update = db.updateTable('alerts').where('key', '=', key);
      const fired =
        inserted ??
        (await update
          .set({ ...columns, status: 'firing', since: now })
          .where('status', '!=', 'firing')
          .returning('key')
          .executeTakeFirst());
      if (fired === undefined) {
        await update.set(columns).execute();
        return false;
      }
      await appendEvent(db, {
        type: 'alert_firing',
        owner,
        sessionId,
        runId,
        status: severity,
        message: alert.message,
      });
      return true;
    });
  }

  /** Stores that the alert is over. Returns false if it did not fire. */
  end(
    key: string,
    { status, message }: { readonly status: 'recovered' | 'closed'; readonly message: string },
  ): Promise<boolean> {
    return this.#database.write(async (db) => {
      const row = await db
        .updateTable('alerts')
        .set({ status, message: toStorableText(message), next: null, updatedAt: new Date().toISOString() })
        .where('key', '=', key)
        .where('status', '=', 'firing')
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) return false;
      const { owner, sessionId, runId } = row;
      if (status === 'recovered')
        await appendEvent(db, { type: 'alert_recovered', owner, sessionId, runId, status, message });
      return true;
    });
  }

  /** Stores that the sink was notified of this status. */
  async noteDelivered(
    key: string,
    sink: string,
    notice: { readonly status: AlertStatus; readonly since: string },
  ): Promise<void> {
    await this.#database.write(async (db) => {
      // This locks the row, because several sinks are notified at the same time.
      const row = await db
        .updateTable('alerts')
        .set((eb) => ({ delivered: eb.ref('delivered') }))
        .where('key', '=', key)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) return;
      const delivered = { ...toAlert(row).delivered, [sink]: notice };
      await db
        .updateTable('alerts')
        .set({ delivered: JSON.stringify(delivered) })
        .where('key', '=', key)
        .execute();
    });
  }

  /** Removes alerts that were over before `before`. Returns their number. */
  async removeEnded(before: string): Promise<number> {
    const { numDeletedRows } = await this.#database.write((db) =>
      db.deleteFrom('alerts').where('status', '!=', 'firing').where('updatedAt', '<', before).executeTakeFirst(),
    );
    return Number(numDeletedRows);
  }
}

function toAlert(row: AlertsTable): StoredAlert {
  return {
    key: row.key,
    rule: row.rule,
    severity: row.severity === 'critical' ? 'critical' : 'warning',
    status: ALERT_STATUSES.find((status) => status === row.status) ?? 'closed',
    message: row.message,
    next: row.next,
    owner: row.owner,
    runId: row.runId,
    sessionId: row.sessionId,
    since: row.since,
    updatedAt: row.updatedAt,
    delivered: toDelivered(row.delivered),
  };
}

function toDelivered(json: string): StoredAlert['delivered'] {
  try {
    return JSON.parse(json) as StoredAlert['delivered'];
  } catch {
    // The value is damaged. A repeated notice is better than a missing one.
    return {};
  }
}

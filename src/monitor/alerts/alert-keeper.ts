/** Updates the registry's alerts from the findings of the rules. Each alert begins once and ends once, however often the rules run. */
import type { Log } from '../../core/log.ts';
import type { Registry, StoredAlert } from '../../registry/registry.ts';
import type { AlertFacts } from './facts.ts';
import { ALERT_RULES, type AlertLimits, type Finding } from './rules.ts';

/**
 * A metric close to its limit can flicker. An alert about the whole registry ends only after its condition has been false for this long. An
 * alert about one run or session does not flicker and ends at once.
 */
const CLEAR_DELAY_MS = 60_000;
/** The time for which ended alerts are stored, for sinks that can't be reached. */
const ENDED_ALERT_RETENTION_MS = 86_400_000;
const WORKING_RUN_STATUSES = ['processing', 'completed', 'partial'];

interface Found extends Finding {
  readonly key: string;
  readonly rule: string;
  readonly severity: 'warning' | 'critical';
}

export class AlertKeeper {
  readonly #limits: AlertLimits;
  readonly #log: Log;
  /** The times since when firing alerts have not been found, by key. */
  readonly #missingSince = new Map<string, number>();

  constructor(limits: AlertLimits, log: Log) {
    this.#limits = limits;
    this.#log = log;
  }

  /** Raises and ends alerts. The alerts of the rules in `leave` do not end. */
  async update(
    registry: Registry,
    facts: AlertFacts,
    { leave = [] }: { readonly leave?: readonly string[] } = {},
  ): Promise<void> {
    const found = new Map(findAll(facts, this.#limits).map((one) => [one.key, one]));
    const firing = (await registry.alerts.list()).filter(({ status }) => status === 'firing');
    const known = new Map(firing.map((alert) => [alert.key, alert]));
    for (const one of found.values()) if (!isUnchanged(one, known.get(one.key))) await this.#raise(registry, one);
    for (const alert of firing) {
      if (leave.includes(alert.rule)) continue;
      if (found.has(alert.key)) this.#missingSince.delete(alert.key);
      else await this.#end(registry, alert, found);
    }
    await registry.alerts.removeEnded(new Date(Date.now() - ENDED_ALERT_RETENTION_MS).toISOString());
  }

  async #raise(
    registry: Registry,
    { key, rule, severity, message, next, owner, runId, sessionId }: Found,
  ): Promise<void> {
    const about = { owner: owner ?? null, runId: runId ?? null, sessionId: sessionId ?? null };
    const isNew = await registry.alerts.raise({ key, rule, severity, message, next, ...about });
    if (!isNew) return;
    this.#log[severity === 'critical' ? 'error' : 'warn'](`Alert ${rule}: ${message}`, { next });
    if (rule !== 'long-running') return;
    await registry.events.append({
      type: 'session_warning',
      ...about,
      status: runId === undefined ? 'active' : 'processing',
      message,
    });
  }

  async #end(registry: Registry, alert: StoredAlert, found: ReadonlyMap<string, Found>): Promise<void> {
    const { key, rule } = alert;
    const subject = subjectOf(alert);
    const since = this.#missingSince.get(key) ?? Date.now();
    this.#missingSince.set(key, since);
    const isGlobal = subject === null;
    if (isGlobal && Date.now() - since < CLEAR_DELAY_MS) return;
    this.#missingSince.delete(key);
    // A run or session that became worse has another alert. It has not recovered.
    const isWorse = !isGlobal && [...found.values()].some((one) => subjectOf(one) === subject);
    const isRecovered = !isWorse && (isGlobal || (await goesOn(registry, alert)));
    const message = isRecovered ? `It is over: ${alert.message}` : alert.message;
    await registry.alerts.end(key, { status: isRecovered ? 'recovered' : 'closed', message });
    if (isRecovered) this.#log.info(`Recovered from ${rule}: ${alert.message}`);
  }
}

function findAll(facts: AlertFacts, limits: AlertLimits): Found[] {
  return ALERT_RULES.flatMap(({ name, severity, find }) =>
    find(facts, limits).map((finding) => ({
      ...finding,
      rule: name,
      severity,
      key: finding.subject === null ? name : `${name} ${finding.subject}`,
    })),
  );
}

/** Returns the id of the run, whose session may change, or of a session without a run; null if the alert is about the whole registry. */
function subjectOf({ runId, sessionId }: StoredAlert | Found): string | null {
  return runId ?? sessionId ?? null;
}

/** True if the run or the session works again. */
async function goesOn(registry: Registry, { runId, sessionId }: StoredAlert): Promise<boolean> {
  try {
    if (runId !== null) return WORKING_RUN_STATUSES.includes((await registry.runs.get(runId))?.status ?? '');
    return sessionId !== null && (await registry.sessions.get(sessionId))?.status === 'active';
  } catch {
    // Its row is damaged: the clean-up repairs and reports it. If the registry can't be used, the next statement fails as well.
    return false;
  }
}

/** Returns whether the stored alert has the same content as the finding. */
function isUnchanged(found: Found, { message, next, severity }: Partial<StoredAlert> = {}): boolean {
  return message === found.message && next === found.next && severity === found.severity;
}

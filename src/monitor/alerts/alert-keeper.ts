/** Keeps the registry's alerts as the rules find them: each begins once and ends once, however often the rules are asked. */
import type { Log } from '../../core/log.ts';
import type { Registry, StoredAlert } from '../../registry/registry.ts';
import type { AlertFacts } from './facts.ts';
import { ALERT_RULES, type AlertLimits, type Finding } from './rules.ts';

/** What is about all flickers where it is about numbers near their limits: so long it must be gone. What is about a run doesn't. */
const CLEAR_MS = 60_000;
/** The rows of what is over are kept so long for sinks that can't be reached. */
const FORGET_MS = 86_400_000;
const GOING_ON = ['processing', 'completed', 'partial'];

interface Found extends Finding {
  readonly key: string;
  readonly rule: string;
  readonly severity: 'warning' | 'critical';
}

export class AlertKeeper {
  readonly #limits: AlertLimits;
  readonly #log: Log;
  /** Since when an alert that fires was not found again. */
  readonly #missingSince = new Map<string, number>();

  constructor(limits: AlertLimits, log: Log) {
    this.#limits = limits;
    this.#log = log;
  }

  /** `leave` names rules whose alerts stay as they are. */
  async update(
    registry: Registry,
    facts: AlertFacts,
    { leave = [] }: { readonly leave?: readonly string[] } = {},
  ): Promise<void> {
    const found = new Map(findAll(facts, this.#limits).map((one) => [one.key, one]));
    const firing = (await registry.alerts.list()).filter(({ status }) => status === 'firing');
    const known = new Map(firing.map((alert) => [alert.key, alert]));
    for (const one of found.values()) if (!isTold(one, known.get(one.key))) await this.#raise(registry, one);
    for (const alert of firing) {
      if (leave.includes(alert.rule)) continue;
      if (found.has(alert.key)) this.#missingSince.delete(alert.key);
      else await this.#end(registry, alert, found);
    }
    await registry.alerts.removeEnded(new Date(Date.now() - FORGET_MS).toISOString());
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
    const isAboutAll = subject === null;
    if (isAboutAll && Date.now() - since < CLEAR_MS) return;
    this.#missingSince.delete(key);
    // What has become worse has another alert; that is nothing to be glad of.
    const isWorse = !isAboutAll && [...found.values()].some((one) => subjectOf(one) === subject);
    const isRecovered = !isWorse && (isAboutAll || (await goesOn(registry, alert)));
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

/** The run, whichever session it has by now, or the session without one; null for what is about all. */
function subjectOf({ runId, sessionId }: StoredAlert | Found): string | null {
  return runId ?? sessionId ?? null;
}

/** Whether the run, or the session, does what it should again. */
async function goesOn(registry: Registry, { runId, sessionId }: StoredAlert): Promise<boolean> {
  try {
    if (runId !== null) return GOING_ON.includes((await registry.runs.get(runId))?.status ?? '');
    return sessionId !== null && (await registry.sessions.get(sessionId))?.status === 'active';
  } catch {
    // Its row is damaged, which the clean-up mends and tells; a registry that can't be used has the next statement fail as well.
    return false;
  }
}

/** Nothing about it has changed. */
function isTold(found: Found, { message, next, severity }: Partial<StoredAlert> = {}): boolean {
  return message === found.message && next === found.next && severity === found.severity;
}

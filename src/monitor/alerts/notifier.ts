/**
 * Brings alerts to their sinks: what each was told is kept with the alert, so that nothing is told twice, also by the next monitor, and what
 * a sink could not take is tried again. One that can't be reached keeps nobody else waiting.
 */
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Registry, StoredAlert } from '../../registry/registry.ts';
import { DeliveryError } from './delivery-error.ts';
import type { Notice, Sink } from './notice.ts';

const SEND_LIMIT_MS = 15_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** More of one rule at a time come as one notice. */
const MOST_SINGLE = 5;
const NAMED = 3;
/** Statuses that say something of the notice and not of the sink, which takes others. */
const OF_THIS_NOTICE: readonly unknown[] = [400, 413, 422];

export interface NotifierOptions {
  readonly sinks: readonly Sink[];
  readonly host: string;
  /** What to type for an overview. */
  readonly overview: string;
  readonly log: Log;
}

interface Trouble {
  readonly failures: number;
  readonly notBeforeMs: number;
}

export class Notifier {
  readonly #options: NotifierOptions;
  /** By sink, and by sink and notice. */
  readonly #troubles = new Map<string, Trouble>();
  /** Those that are being told: asking again meanwhile would tell them twice. */
  readonly #busy = new Set<Sink>();
  readonly #closing = new AbortController();

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /**
   * Tells each sink what it has not been told yet; one that is still being told, by an earlier call, is left to that. Rejects only where
   * the registry can't be used.
   */
  async deliver(registry: Registry): Promise<void> {
    const sinks = this.#options.sinks.filter((sink) => !this.#busy.has(sink));
    if (sinks.length === 0) return;
    for (const sink of sinks) this.#busy.add(sink);
    // Looked up only now: what was told before is known of.
    const listed = registry.alerts.list();
    await Promise.all(
      sinks.map((sink) =>
        listed.then((alerts) => this.#deliverTo(sink, { alerts, registry })).finally(() => this.#busy.delete(sink)),
      ),
    );
  }

  close(): void {
    this.#closing.abort(new Error('The monitor is being closed.'));
  }

  async #deliverTo(
    sink: Sink,
    { alerts, registry }: { readonly alerts: readonly StoredAlert[]; readonly registry: Registry },
  ): Promise<void> {
    if (this.#isPausing(sink.name)) return;
    const pending = alerts.filter((alert) => isPending(alert, sink));
    for (const group of Map.groupBy(pending, ({ rule, status }) => `${status} ${rule}`).values()) {
      const notices = group.length > MOST_SINGLE ? [group] : group.map((alert) => [alert]);
      for (const some of notices) {
        const notice = this.#toNotice(some);
        if (this.#isPausing(`${sink.name} ${notice.key}`)) continue;
        const result = await this.#send(sink, notice);
        if (result === 'unreachable') return;
        if (result === 'refused') continue;
        for (const { key, status, since } of some)
          await registry.alerts.noteDelivered(key, sink.name, { status, since });
      }
    }
  }

  #isPausing(name: string): boolean {
    return (this.#troubles.get(name)?.notBeforeMs ?? 0) > performance.now();
  }

  async #send(sink: Sink, notice: Notice): Promise<'sent' | 'refused' | 'unreachable'> {
    const { log } = this.#options;
    const signal = AbortSignal.any([AbortSignal.timeout(SEND_LIMIT_MS), this.#closing.signal]);
    const ofNotice = `${sink.name} ${notice.key}`;
    try {
      await sink.send(notice, signal);
      this.#troubles.delete(ofNotice);
      if (this.#troubles.delete(sink.name)) log.info(`Notices reach ${sink.name} again`);
      return 'sent';
    } catch (thrown) {
      const isRefused = thrown instanceof DeliveryError && OF_THIS_NOTICE.includes(thrown.data['status']);
      const name = isRefused ? ofNotice : sink.name;
      const failures = (this.#troubles.get(name)?.failures ?? 0) + 1;
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
      this.#troubles.set(name, { failures, notBeforeMs: performance.now() + pauseMs });
      log.warn(`A notice did not reach ${sink.name}; it is tried again`, {
        alert: notice.key,
        failures,
        inSeconds: pauseMs / 1_000,
        reason: toError(thrown).message,
      });
      return isRefused ? 'refused' : 'unreachable';
    }
  }

  #toNotice(alerts: readonly StoredAlert[]): Notice {
    const { host, overview } = this.#options;
    const [first] = alerts;
    if (first === undefined) throw new TypeError('a notice is about an alert');
    const { key, rule, severity, message, next, owner, runId, sessionId, since } = first;
    const status = first.status === 'firing' ? 'firing' : 'recovered';
    if (alerts.length === 1)
      return { key, rule, status, severity, message, next, owner, runId, sessionId, since, host };
    const words = alerts.slice(0, NAMED).map((alert) => alert.message);
    return {
      key: rule,
      rule,
      status,
      severity,
      message: `${alerts.length} at once. ${words.join(' ')} And ${alerts.length - NAMED} more.`,
      next: overview,
      owner: null,
      runId: null,
      sessionId: null,
      since,
      host,
    };
  }
}

/** A sink that was never told of it needs not be told that it is over. */
function isPending({ status, since, delivered }: StoredAlert, { name }: Sink): boolean {
  const told = delivered[name];
  const wasTold = told?.since === since && told.status === 'firing';
  return status === 'firing' ? !wasTold : status === 'recovered' && wasTold;
}

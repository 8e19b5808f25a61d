/**
 * Delivers alerts to the sinks. Each delivery is stored with the alert, so that no monitor sends a notice twice. A failed delivery is tried
 * again. A sink that can't be reached does not delay the other sinks.
 */
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Registry, StoredAlert } from '../../registry/registry.ts';
import { DeliveryError } from './delivery-error.ts';
import type { Notice, Sink } from './notice.ts';

const SEND_LIMIT_MS = 15_000;
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** More alerts of one rule at a time are sent as one notice. */
const MAX_SINGLE_NOTICES = 5;
const MAX_NAMED_ALERTS = 3;
/** HTTP statuses that refuse this notice only: the sink accepts other notices. */
const NOTICE_REFUSED_STATUSES: readonly unknown[] = [400, 413, 422];

export interface NotifierOptions {
  readonly sinks: readonly Sink[];
  readonly host: string;
  /** The command for an overview. */
  readonly overview: string;
  readonly log: Log;
}

interface Trouble {
  readonly failures: number;
  readonly notBeforeMs: number;
}

export class Notifier {
  readonly #options: NotifierOptions;
  /** Failures by sink, and by sink and notice. */
  readonly #troubles = new Map<string, Trouble>();
  /** The sinks with a delivery in progress. A second delivery at the same time would send notices twice. */
  readonly #busy = new Set<Sink>();
  readonly #closing = new AbortController();

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /**
   * Sends each sink the notices that it has not received yet. Skips sinks with a delivery in progress from an earlier call. Rejects only if
   * the registry can't be used.
   */
  async deliver(registry: Registry): Promise<void> {
    const sinks = this.#options.sinks.filter((sink) => !this.#busy.has(sink));
    if (sinks.length === 0) return;
    for (const sink of sinks) this.#busy.add(sink);
    // The list is read only now, so that it includes all earlier deliveries.
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
      const notices = group.length > MAX_SINGLE_NOTICES ? [group] : group.map((alert) => [alert]);
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
    const noticeName = `${sink.name} ${notice.key}`;
    try {
      await sink.send(notice, signal);
      this.#troubles.delete(noticeName);
      if (this.#troubles.delete(sink.name)) log.info(`Notices reach ${sink.name} again`);
      return 'sent';
    } catch (thrown) {
      const isRefused = thrown instanceof DeliveryError && NOTICE_REFUSED_STATUSES.includes(thrown.data['status']);
      const name = isRefused ? noticeName : sink.name;
      const failures = (this.#troubles.get(name)?.failures ?? 0) + 1;
      const pauseMs = Math.min(MIN_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS);
      this.#troubles.set(name, { failures, notBeforeMs: performance.now() + pauseMs });
      log.warn(`A notice did not reach ${sink.name}; the monitor tries again`, {
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
    const words = alerts.slice(0, MAX_NAMED_ALERTS).map((alert) => alert.message);
    return {
      key: rule,
      rule,
      status,
      severity,
      message: `${alerts.length} alerts at once. ${words.join(' ')} And ${alerts.length - MAX_NAMED_ALERTS} more.`,
      next: overview,
      owner: null,
      runId: null,
      sessionId: null,
      since,
      host,
    };
  }
}

/** True if the sink has to be notified. The end of an alert is only sent to a sink that received its beginning. */
function isPending({ status, since, delivered }: StoredAlert, { name }: Sink): boolean {
  const last = delivered[name];
  const wasNotified = last?.since === since && last.status === 'firing';
  return status === 'firing' ? !wasNotified : status === 'recovered' && wasNotified;
}

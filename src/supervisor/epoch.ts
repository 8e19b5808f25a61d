/**
 * One session's time: its number, its halt and its work. The halt is a one-way latch; all work holds on to the epoch that it began in
 * and is fenced by it.
 */
import type { Death, DeathEvidence, DeathReport } from '../model/death.ts';
import { StaleDriverError, type SessionDeathError, type SessionEndedError } from '../driver/driver.ts';
import { WorkLedger } from './work.ts';

export class Epoch {
  /** 1 for a supervisor's first session. */
  readonly number: number;
  readonly work = new WorkLedger();
  readonly #halt = new AbortController();
  readonly #consequences: string[] = [];
  #isHalted = false;
  #death: Death | undefined;
  readonly #cancelled = { queued: 0, inFlight: 0, refused: 0 };
  lastHeartbeatAt: Date | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /** Aborts when the session dies or is stopped, with the error that everybody is told. */
  get signal(): AbortSignal {
    return this.#halt.signal;
  }

  /** The halt flag: one field, because it is read before every piece of work (a signal's own flag costs 50 ns). */
  get isHalted(): boolean {
    return this.#isHalted;
  }

  throwIfHalted(): void {
    this.#halt.signal.throwIfAborted();
  }

  get death(): Death | undefined {
    return this.#death;
  }

  /** Work that this epoch's death cancelled, aborted or refused. */
  get cascadeCount(): number {
    const { queued, inFlight, refused } = this.#cancelled;
    return this.#death === undefined ? 0 : queued + inFlight + refused;
  }

  /** Makes the death of its first report. Nothing is aborted yet: {@link halt} does that once the state tells of it. */
  die(
    report: DeathReport,
    { evidence, commandsInFlight }: { evidence: DeathEvidence; commandsInFlight: number },
  ): Death {
    const { queued, running } = this.work.count(commandsInFlight);
    const { lastHeartbeatAt } = this;
    const watched = report.detectedBy === 'heartbeat' || report.detectedBy === 'deadline';
    this.#cancelled.queued = queued;
    this.#cancelled.inFlight = running;
    this.#death = {
      cause: report.cause,
      detectedBy: report.detectedBy,
      at: new Date().toISOString(),
      detectedAfterMs: watched && lastHeartbeatAt !== null ? Date.now() - lastHeartbeatAt.getTime() : null,
      lastHeartbeatAt: lastHeartbeatAt?.toISOString() ?? null,
      evidence,
      epoch: this.number,
      // The two parts that go on: what is asked of a dead session, and what else is told of its death.
      cancelled: this.#cancelled,
      consequences: this.#consequences,
    };
    return this.#death;
  }

  addConsequence({ cause, detectedBy, message }: DeathReport): void {
    this.#consequences.push(`${cause} (${detectedBy}): ${message}`);
  }

  /** Work was asked for after the halt. */
  refuse(): void {
    this.#cancelled.refused += 1;
  }

  /** A command was asked for after the halt. Returns the error to throw if this epoch died and `current` has followed it. */
  refuseCommand(current: Epoch): StaleDriverError | undefined {
    this.refuse();
    return this.#death !== undefined && current !== this ? new StaleDriverError(this.#death) : undefined;
  }

  halt(error: SessionDeathError | SessionEndedError): void {
    this.#isHalted = true;
    this.#halt.abort(error);
  }
}

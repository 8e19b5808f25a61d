/**
 * An epoch: the number, the halt and the work of one session. The halt is a one-way latch. Work belongs to the epoch in which it began, and
 * ends with its halt.
 */
import type { Death, DeathEvidence, DeathReport, Diagnosis } from '../model/death.ts';
import { StaleDriverError, type SessionDeathError, type SessionEndedError } from '../driver/driver.ts';
import { WorkLedger } from './work-ledger.ts';

/** The facts about a death that its session has. */
interface EpochFacts {
  readonly evidence: DeathEvidence;
  readonly diagnosis: Diagnosis;
  readonly commandsInFlight: number;
}

export class Epoch {
  /** 1 for a supervisor's first session; 0 for a standby, which gets its number when it is promoted. */
  number: number;
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

  /** Aborts when the session dies or is stopped. Its reason is the error with which all work ends. */
  get signal(): AbortSignal {
    return this.#halt.signal;
  }

  /** The halt flag. It is a field of its own because it is read before each unit of work; a read of a signal's flag costs 50 ns. */
  get isHalted(): boolean {
    return this.#isHalted;
  }

  throwIfHalted(): void {
    this.#halt.signal.throwIfAborted();
  }

  get death(): Death | undefined {
    return this.#death;
  }

  /** The number of units of work that this epoch's death cancelled, aborted or refused. */
  get cascadeCount(): number {
    const { queued, inFlight, refused } = this.#cancelled;
    return this.#death === undefined ? 0 : queued + inFlight + refused;
  }

  /** Creates the death from its first report. Aborts nothing yet: the supervisor calls {@link halt} after it has changed its state. */
  die(report: DeathReport, { evidence, diagnosis, commandsInFlight }: EpochFacts): Death {
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
      diagnosis,
      epoch: this.number,
      // These two still grow after the death: work that is refused later, and later reports about the same death.
      cancelled: this.#cancelled,
      consequences: this.#consequences,
    };
    return this.#death;
  }

  addConsequence({ cause, detectedBy, message }: DeathReport): void {
    this.#consequences.push(`${cause} (${detectedBy}): ${message}`);
  }

  /** Counts work that was requested after the halt. */
  refuse(): void {
    this.#cancelled.refused += 1;
  }

  /** Counts a command that was requested after the halt. Returns the error to throw if this epoch died and `current` has followed it. */
  refuseCommand(current: Epoch): StaleDriverError | undefined {
    this.refuse();
    return this.#death !== undefined && current !== this ? new StaleDriverError(this.#death) : undefined;
  }

  halt(error: SessionDeathError | SessionEndedError): void {
    this.#isHalted = true;
    this.#halt.abort(error);
  }
}

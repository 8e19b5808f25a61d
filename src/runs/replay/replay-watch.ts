/** Collects what a run's replays show about its action: divergences, warnings, and repeated effects. */
import path from 'node:path';

import { findWarningOfCall, type SourceWarning } from '../../analysis/analysis.ts';
import type { Log } from '../../core/log.ts';
import type { ReplacedRecord } from '../../registry/registry.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { checkReplay, Divergence } from './replay.ts';
import { describeStep, startSentence } from '../steps/step-words.ts';

export interface ReplayWatchOptions {
  readonly ledger: Ledger;
  readonly sourceWarnings: readonly SourceWarning[];
  readonly log: Log;
}

export class ReplayWatch {
  readonly divergence = new Divergence();
  readonly #options: ReplayWatchOptions;
  readonly #warnings = new Set<string>();
  readonly #repeatedEffects = new Set<string>();
  /** True if a finished step was replayed. From then on, what `run` does depends on stored values. */
  #hasReplays = false;

  constructor(options: ReplayWatchOptions) {
    this.#options = options;
  }

  get hasReplays(): boolean {
    return this.#hasReplays;
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  get repeatedEffects(): readonly string[] {
    return [...this.#repeatedEffects];
  }

  /** Notes that a finished step is replayed. `stack` is that of the call that asked for it. */
  onReplay(step: LedgerEntry, stack: string | undefined): void {
    this.#hasReplays = true;
    this.#noteFlagged(step, stack, 'was already finished, so its code did not run again.');
  }

  /** Notes that the session of a running item died, and that the item is done again within the same entry of `run`. */
  onDoneAgain(step: LedgerEntry, stack: string | undefined): void {
    this.#noteFlagged(step, stack, 'was interrupted by the death of its session and is done again.');
  }

  /** Notes a divergence if the source of the call has a warning. */
  #noteFlagged({ id }: LedgerEntry, stack: string | undefined, what: string): void {
    const warning = findWarningOfCall(this.#options.sourceWarnings, stack);
    if (warning === undefined) return;
    const { file, line, message } = warning;
    const key = JSON.stringify(id.batch === null ? id.key : `${id.batch}/${id.key}`);
    this.divergence.note(
      `${startSentence(describeStep(id))} ${what} ${startSentence(message)} (${path.relative('', file)}:${line}) ` +
        `Correct the action, then continue with \`--resume\` and \`--redo ${key}\`.`,
      { step: id },
    );
  }

  /** Notes that a record of `step` has the key of another step's record. */
  onReplacedRecord(step: LedgerEntry, { dataset, key, isSame }: ReplacedRecord): void {
    const ofDataset = dataset === 'records' ? '' : ` of ${dataset}`;
    const what = `${startSentence(describeStep(step.id))} saved the record "${key}"${ofDataset}, which another step had saved`;
    if (isSame || !this.#hasReplays) {
      this.#warn(`${what}${isSame ? '' : ' with other content'}. The last record is stored.`);
      return;
    }
    const reason = 'Does the key come from a counter that begins again when `run` is entered?';
    const data = { step: step.id, record: key };
    this.divergence.note(`${what} with other content, after finished steps were replayed. ${reason}`, data);
  }

  /** Notes that a step saved two different records with one key. */
  onRecordSavedTwice({ id }: LedgerEntry, { dataset, key }: Pick<ReplacedRecord, 'dataset' | 'key'>): void {
    const ofDataset = dataset === 'records' ? '' : ` of ${dataset}`;
    this.#warn(
      `${startSentence(describeStep(id))} saved different records with the key "${key}"${ofDataset}. Only the last one is stored; other records need keys of their own.`,
    );
  }

  /** Notes that a step is done again although an interrupted attempt has sent a request that is not idempotent. */
  onRepeatedEffect({ id }: LedgerEntry): void {
    this.#repeatedEffects.add(startSentence(describeStep(id)));
  }

  /** Warns if a step ends on an error page. The browser shows one for an untrusted certificate, and `driver.get` resolves all the same. */
  onPageLeft({ id }: LedgerEntry, url: string | undefined): void {
    if (url?.startsWith('chrome-error:') !== true) return;
    const way =
      'The address could not be loaded, or its certificate is not trusted (ACCEPT_INSECURE_CERTS=true accepts it)';
    this.#warn(
      `${startSentence(describeStep(id))} has ended on an error page of the browser, not on a page of a site. ${way}.`,
    );
  }

  /** Compares what `run` asked for, when it has returned, with what was known before. */
  check(): void {
    for (const warning of checkReplay(this.#options.ledger, this.divergence)) this.#warn(warning);
  }

  /** Adds a warning to the log and the outcome, once for each text. */
  #warn(text: string): void {
    if (this.#warnings.has(text)) return;
    this.#warnings.add(text);
    this.#options.log.warn(text);
  }
}

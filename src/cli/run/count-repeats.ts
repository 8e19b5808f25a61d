/** Keeps the warnings of a run readable: each text is written once, and its number at the end. */
import { inspect } from 'node:util';

import type { Log, LogFields } from '../../core/log.ts';

/** The maximum number of different texts that are counted. Further ones are written each time. */
const MAX_TEXTS = 1_000;

interface Warning {
  readonly log: Log;
  readonly message: string;
  readonly fields: LogFields | undefined;
  times: number;
}

export interface CountingLog extends Log {
  /** Writes each warning that came several times once more, with its number: `… (12 times)`. */
  writeCounts(): void;
}

/** Returns `log` with warnings that are written only when they come first. Two are the same if message and fields are. */
export function countRepeats(log: Log): CountingLog {
  const warnings = new Map<string, Warning>();
  const wrap = (inner: Log, outer: LogFields): Log => ({
    error: (...words) => inner.error(...words),
    info: (...words) => inner.info(...words),
    debug: (...words) => inner.debug(...words),
    warn: (message, fields) => {
      const key = inspect([message, { ...outer, ...fields }]);
      const known = warnings.get(key);
      if (known !== undefined) known.times += 1;
      else inner.warn(message, fields);
      if (known === undefined && warnings.size < MAX_TEXTS)
        warnings.set(key, { log: inner, message, fields, times: 1 });
    },
    child: (fields) => wrap(inner.child(fields), { ...outer, ...fields }),
  });
  return {
    ...wrap(log, {}),
    writeCounts() {
      for (const { log: inner, message, fields, times } of warnings.values())
        if (times > 1) inner.warn(`${message} (${times} times)`, fields);
      warnings.clear();
    },
  };
}

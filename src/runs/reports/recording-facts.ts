/** How both parts of the page of a recording read it. */
import { figure } from './parts.ts';
import type { Recording } from '../../model/recording.ts';

type Command = Recording['commands'][number];

export interface Picture {
  readonly at: string;
  readonly address: string;
}

/** Returns the pictures that are base64, the oldest first. */
export function toPictures(
  { pictures }: Recording,
  toAddress: (type: 'jpeg', base64: string) => string | undefined,
): Picture[] {
  return pictures.flatMap(({ at, jpeg }) => {
    const address = toAddress('jpeg', jpeg);
    return address === undefined ? [] : [{ at, address }];
  });
}

/** Returns whether the session ended before the answer. */
export function isUnanswered({ durationMs, outcome }: Command): boolean {
  return durationMs === null || outcome === 'unanswered';
}

/** Returns whether the command was answered with an error. */
export function isFailed({ outcome }: Command): boolean {
  return !/^[23]\d\d\b/.test(outcome);
}

export function isError(level: string): boolean {
  return /^(error|severe|fatal)/i.test(level);
}

export function isWarning(level: string): boolean {
  return /^warn/i.test(level);
}

/** `1 204 MB`. */
export function toMegabytes(bytes: number): string {
  return `${figure(Math.round(bytes / 1_000_000))} MB`;
}

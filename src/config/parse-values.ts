/** Turns the texts of environment variables into values. Other values are returned as they are. */
import type { z } from 'zod';

/** Parses a number, because all values of the environment are texts. */
export function toNumber(value: unknown): unknown {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
}

/** Parses JSON. Returns text that is not JSON as it is. */
export function toJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Splits words at spaces, or parses a JSON list. */
export function toWords(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.trim().startsWith('[') ? toJson(value) : value.trim().split(/\s+/).filter(Boolean);
}

/** Splits words at spaces. Refuses quotes, because a quoted value would be split as well. */
export function toUnquotedWords(value: unknown, context: z.core.$RefinementCtx): unknown {
  const words = toWords(value);
  if (typeof value === 'string' && !value.trim().startsWith('[') && /["']/.test(value))
    context.addIssue('must be a JSON list if a switch contains spaces or quotes: ["--user-agent=my agent"]');
  return words;
}

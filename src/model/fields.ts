/** The kinds of fields that rows have. */
import { z } from 'zod';

/** UTC, ISO 8601. */
export const time = z.iso.datetime();
export const whole = z.int().min(0);
export const object = z.record(z.string(), z.unknown());

/** A column of JSON text, as `shape` says it. */
export function json<Shape extends z.ZodType>(shape: Shape) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'is no JSON' });
        return z.NEVER;
      }
    })
    .pipe(shape);
}

/** Returns whether it is a time as rows have them: UTC, ISO 8601. */
export function isTime(value: unknown): value is string {
  return time.safeParse(value).success;
}

/** The schemas of the fields that rows share. */
import { z } from 'zod';

/** UTC, ISO 8601. */
export const time = z.iso.datetime();
export const whole = z.int().min(0);
export const object = z.record(z.string(), z.unknown());

/** Returns the schema of a column of JSON text whose value has the schema `shape`. */
export function json<Shape extends z.ZodType>(shape: Shape) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'is not JSON' });
        return z.NEVER;
      }
    })
    .pipe(shape);
}

/** Returns whether the value is a time in the format of rows: UTC, ISO 8601. */
export function isTime(value: unknown): value is string {
  return time.safeParse(value).success;
}

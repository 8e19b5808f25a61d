/** The recording of a session's last seconds, as it is written when the session dies or a step fails. It contains no secret. */
import { z } from 'zod';

import { deathSchema } from './death.ts';
import { time } from './fields.ts';

const command = z.object({
  /** The time when the command was sent. */
  at: time,
  /** Method and route without ids, such as `POST /url`. */
  label: z.string(),
  /** The HTTP status, an error, or `unanswered`. */
  outcome: z.string(),
  /** Null if the command was in flight at the end of the recording. */
  durationMs: z.number().nullable(),
});

export const recordingSchema = z.object({
  version: z.literal(1),
  /** The time of the death or of the failure: the end of the recording. */
  at: time,
  /** The length of the recorded time in seconds. */
  seconds: z.number(),
  /** Null if the session is alive: a step failed, or the run has ended and every run is recorded. */
  death: deathSchema.nullable(),
  /** The step or item that failed, such as `the step "login"`; null for a death and at the end of a run. */
  failure: z.object({ step: z.string(), message: z.string() }).nullable(),
  /** The number of the session in its run, from 1. */
  epoch: z.number(),
  /** Such as `chrome 156.0.7204.92`. */
  browser: z.string(),
  commands: z.array(command).readonly(),
  /** The documents that the page navigated to, redacted. */
  navigations: z.array(z.object({ at: time, url: z.string() })).readonly(),
  /** The messages of the console and the browser's log about all pages. Errors that a page does not catch are not among them. */
  console: z.array(z.object({ at: time, level: z.string(), text: z.string() })).readonly(),
  /** The requests that failed or were answered with a status of 400 or more. */
  failedRequests: z
    .array(z.object({ at: time, url: z.string(), status: z.number().nullable(), error: z.string().nullable() }))
    .readonly(),
  /**
   * The processes of the driver and the browser together, on Linux, if this program started them. `memoryBytes` is memory that they don't
   * share with each other. `cpuPercent` is of one core, since the last sample.
   */
  samples: z
    .array(z.object({ at: time, memoryBytes: z.number(), cpuPercent: z.number().nullable(), processes: z.number() }))
    .readonly(),
  /** Small pictures of the page, JPEG as base64. Fields for passwords are unreadable. */
  pictures: z.array(z.object({ at: time, jpeg: z.string() })).readonly(),
});
export type Recording = z.output<typeof recordingSchema>;

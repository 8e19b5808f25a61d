/** The declared end of a session that was not requested: its report, its declaration, and its form in the registry. */
import { z } from 'zod';

import { time, whole } from './fields.ts';

export const DEATH_CAUSES = [
  'browser-gone',
  'driver-gone',
  'tab-crashed',
  'frozen',
  'session-removed',
  'network-lost',
  'timed_out',
  'lease-lost',
] as const;
/** The reason why a session ended without being asked to. */
export type DeathCause = (typeof DEATH_CAUSES)[number];

export const DETECTORS = ['command', 'deadline', 'bidi', 'devtools', 'driver-exit', 'heartbeat', 'registry'] as const;
/** The signal that reported a death first. */
export type Detector = (typeof DETECTORS)[number];

/** The report of one signal. The supervisor makes a {@link Death} of the first report, and a consequence of each later one. */
export interface DeathReport {
  readonly cause: DeathCause;
  readonly detectedBy: Detector;
  /** The text of the remote end or of the operating system, unchanged. */
  readonly message: string;
}

const evidence = z
  .object({
    message: z.string(),
    /** The URL of the last navigation; null if there was none. */
    url: z.string().nullable(),
    /** Up to 50 commands, oldest first, such as `POST /url 200 34ms`. */
    lastCommands: z.array(z.string()).readonly(),
  })
  .readonly();

/** The state of a session right before its death. It never holds bodies, cookies or secret parts of URLs. */
export type DeathEvidence = z.output<typeof evidence>;

export const DEATH_REASONS = [
  'out-of-memory',
  'shared-memory-full',
  'disk-full',
  'limit-reached',
  'crashed',
  'ended-from-outside',
  'machine-slept',
  'overloaded',
  'page',
  'grid',
  'unknown',
] as const;
/** The reason why a session died. Its cause says what was found, such as a browser that is gone. */
export type DeathReason = (typeof DEATH_REASONS)[number];

/** Rows without a diagnosis, or with a reason that this version does not know, have {@link NO_DIAGNOSIS}. */
export const diagnosisSchema = z
  .object({
    reason: z.enum(DEATH_REASONS),
    /** `certain` if a fact shows the reason, `likely` if the facts fit no other reason, `none` for the reason `unknown`. */
    confidence: z.enum(['certain', 'likely', 'none']),
    /** The facts that show the reason, with their figures, the most important first. */
    evidence: z.array(z.string()).readonly(),
    /** The command, setting or change that prevents the next death; null for the reason `unknown`. */
    advice: z.string().nullable(),
  })
  .readonly()
  .catch(() => NO_DIAGNOSIS);

/** The answer to the question why a session died. */
export type Diagnosis = z.output<typeof diagnosisSchema>;

/** The diagnosis if no fact shows a reason, and of deaths that were stored before there were diagnoses. */
export const NO_DIAGNOSIS: Diagnosis = { reason: 'unknown', confidence: 'none', evidence: [], advice: null };

/** A declared death: plain data, created once per epoch. */
export const deathSchema = z
  .object({
    cause: z.enum(DEATH_CAUSES),
    detectedBy: z.enum(DETECTORS),
    at: time,
    /**
     * The time in milliseconds without a sign of life before the death was declared: an upper bound of the delay. Null if the signal is
     * the death itself (a socket closes, a process exits).
     */
    detectedAfterMs: z.number().nullable(),
    lastHeartbeatAt: time.nullable(),
    evidence,
    diagnosis: diagnosisSchema,
    epoch: whole,
    /** The work that the halt ended: waiting, running, and requested afterwards. `refused` still grows after the death. */
    cancelled: z.object({ queued: whole, inFlight: whole, refused: whole }).readonly(),
    /** Later signals of the same death, as `cause (detectedBy): message`. */
    consequences: z.array(z.string()).readonly(),
  })
  .readonly();
export type Death = z.output<typeof deathSchema>;

/** The part of a death that every session's row has. */
export const storedDeathSchema = z
  .looseObject({ cause: z.string(), detectedBy: z.string(), diagnosis: diagnosisSchema })
  .readonly();

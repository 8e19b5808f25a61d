/** The declared end of a session that was not asked for: as it is reported, declared, stored and read again. */
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
/** The signal that told of a death first. */
export type Detector = (typeof DETECTORS)[number];

/** The account of one signal; the supervisor makes a {@link Death} of the first and a consequence of each later one. */
export interface DeathReport {
  readonly cause: DeathCause;
  readonly detectedBy: Detector;
  /** The remote end's or the operating system's own words. */
  readonly message: string;
}

const evidence = z
  .object({
    message: z.string(),
    /** The page that was last navigated to, if any. */
    url: z.string().nullable(),
    /** Up to 50 commands, oldest first, such as `POST /url 200 34ms`. */
    lastCommands: z.array(z.string()).readonly(),
  })
  .readonly();

/** The last moments of a session; never holds bodies, cookies or secret parts of URLs. */
export type DeathEvidence = z.output<typeof evidence>;

/** A declared death: plain data, made once per epoch. */
export const deathSchema = z
  .object({
    cause: z.enum(DEATH_CAUSES),
    detectedBy: z.enum(DETECTORS),
    at: time,
    /**
     * How long the session had shown no sign of life when it was declared dead, an upper bound of the delay; null where the signal is
     * the death itself (a socket closing, a process exiting).
     */
    detectedAfterMs: z.number().nullable(),
    lastHeartbeatAt: time.nullable(),
    evidence,
    epoch: whole,
    /** Work that the halt ended: waiting, running, and asked for afterwards. `refused` goes on counting. */
    cancelled: z.object({ queued: whole, inFlight: whole, refused: whole }).readonly(),
    /** Later signals of the same death, as `cause (detectedBy): message`. */
    consequences: z.array(z.string()).readonly(),
  })
  .readonly();
export type Death = z.output<typeof deathSchema>;

/** The part of a death that its session's row is sure to have. */
export const storedDeathSchema = z.looseObject({ cause: z.string(), detectedBy: z.string() }).readonly();

import { NO_DIAGNOSIS, type Death } from '../../src/model/death.ts';

/** Returns a death with ordinary values, except for those of `change`. */
export function makeDeath(change: Partial<Death> = {}): Death {
  return {
    cause: 'browser-gone',
    detectedBy: 'devtools',
    at: '2026-11-20T18:15:30.123Z',
    detectedAfterMs: null,
    lastHeartbeatAt: null,
    evidence: {
      message: 'the browser process was ended by signal 9',
      url: 'http://shop/1',
      lastCommands: ['POST /url 200 34ms'],
    },
    diagnosis: NO_DIAGNOSIS,
    epoch: 1,
    cancelled: { queued: 41, inFlight: 5, refused: 3 },
    consequences: ['driver-gone (driver-exit): gone'],
    ...change,
  };
}

/** The WebDriver BiDi socket as a sign of life, where there is no DevTools: it closes when browser or driver go. */
import { WebSocket } from 'ws';

import { raceSignal } from '../core/abort.ts';

const OPEN_LIMIT_MS = 10_000;

export interface BidiOptions {
  readonly url: string;
  /** Ends the attempt to connect. */
  readonly signal: AbortSignal;
  /** The open socket closed and we did not close it. */
  readonly onClosed: (description: string) => void;
}

export interface BidiWatch {
  readonly close: () => void;
}

/** Resolves once the socket is open; several clients on one session are accepted (measured). */
export async function watchBidi({ url, signal, onClosed }: BidiOptions): Promise<BidiWatch> {
  const socket = new WebSocket(url.replace('localhost', '127.0.0.1'), { handshakeTimeout: OPEN_LIMIT_MS });
  const opened = Promise.withResolvers<void>();
  let isWatched = false;
  socket.on('error', opened.reject);
  socket.once('open', opened.resolve);
  socket.once('close', (code) => {
    if (isWatched) onClosed(`the BiDi socket closed (code ${code})`);
  });
  try {
    await raceSignal(opened.promise, signal);
  } catch (thrown) {
    socket.terminate();
    throw thrown;
  }
  isWatched = true;
  return {
    close: () => {
      isWatched = false;
      socket.terminate();
    },
  };
}

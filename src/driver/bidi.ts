/** The WebDriver BiDi socket as a sign of life, where there is no DevTools: it closes when browser or driver go. */
import { WebSocket } from 'ws';

const OPEN_LIMIT_MS = 10_000;

export interface BidiWatch {
  close(): void;
}

/** Resolves once the socket is open; several clients on one session are accepted (measured). */
export async function watchBidi(url: string, onClosed: (description: string) => void): Promise<BidiWatch> {
  const socket = new WebSocket(url.replace('localhost', '127.0.0.1'), { handshakeTimeout: OPEN_LIMIT_MS });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let closing = false;
  let open = false;
  socket.on('error', reject);
  socket.once('open', () => {
    open = true;
    resolve();
  });
  socket.once('close', (code) => {
    if (open && !closing) onClosed(`the BiDi socket closed (code ${code})`);
  });
  await promise;
  return {
    close: () => {
      closing = true;
      socket.terminate();
    },
  };
}

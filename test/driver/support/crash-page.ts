import { once } from 'node:events';
import { WebSocket } from 'ws';

/** Crashes the renderer of one tab, also of one in the background; resolves when the browser tells of it. */
export async function crashPage(capabilities: Readonly<Record<string, unknown>>, handle: string): Promise<void> {
  const { debuggerAddress } = capabilities['goog:chromeOptions'] as { debuggerAddress: string };
  const socket = new WebSocket(`ws://${debuggerAddress.replace('localhost', '127.0.0.1')}/devtools/page/${handle}`);
  // One listener for all messages: two that come together would otherwise hide each other.
  const crashed = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      if (data.toString().includes('Inspector.targetCrashed')) resolve();
    });
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ id: 1, method: 'Page.crash' }));
  await crashed;
  socket.terminate();
}

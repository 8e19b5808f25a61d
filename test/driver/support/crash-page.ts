import { once } from 'node:events';
import { WebSocket } from 'ws';

interface Answer {
  readonly method?: string;
  readonly error?: { readonly message: string };
}

/** Crashes the renderer of one tab, which may be in the background. Resolves when the browser reports the crash. */
export async function crashPage(capabilities: Readonly<Record<string, unknown>>, handle: string): Promise<void> {
  const { debuggerAddress } = capabilities['goog:chromeOptions'] as { debuggerAddress: string };
  const socket = new WebSocket(`ws://${debuggerAddress.replace('localhost', '127.0.0.1')}/devtools/page/${handle}`);
  const crash = () => socket.send(JSON.stringify({ id: 1, method: 'Page.crash' }));
  // One listener handles all messages, so that two that arrive together are both seen.
  const crashed = new Promise<void>((resolve, reject) => {
    socket.on('message', (data: Buffer) => {
      const { method, error } = JSON.parse(data.toString()) as Answer;
      if (method === 'Inspector.targetCrashed') resolve();
      if (error === undefined) return;
      // On a busy machine the tab may still be loading its first page. It does not crash then (measured).
      if (error.message.startsWith('Page has pending navigations')) crash();
      else reject(new Error(error.message));
    });
  });
  try {
    await once(socket, 'open');
    crash();
    await crashed;
  } finally {
    socket.terminate();
  }
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { HttpClient } from '../../src/driver/http-client.ts';
import { explainLostFirefox, findContentCrash } from '../../src/driver/lost-firefox.ts';

const CRASH = [
  'A content process crashed and MOZ_CRASHREPORTER_SHUTDOWN is set, shutting down',
  '[Parent 1, IPC I/O Parent] WARNING: process 2 exited on signal 11: file process_watcher.cc:161',
].join('\n');
const ORDERLY = 1_000;
const BROKEN = 1_006;

/** Explains the end of a Firefox whose geckodriver answers `GET /status` with `ready`. */
async function explain(lost: { closeCode: number | undefined; ready: boolean; output?: string; message?: string }) {
  const { closeCode, ready, output = '', message } = lost;
  const server = createServer((_request, response) => response.end(JSON.stringify({ value: { ready } })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = new HttpClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const report =
      message === undefined ? undefined : { cause: 'browser-gone' as const, detectedBy: 'command' as const, message };
    return (await explainLostFirefox({ http, output, closeCode, ...(report === undefined ? {} : { report }) }))?.cause;
  } finally {
    http.close();
    server.close();
  }
}

describe('explainLostFirefox', () => {
  it('takes an orderly end for a quit by another client if geckodriver has no session', async () => {
    expect(await explain({ closeCode: ORDERLY, ready: true })).to.equal('session-removed');
    const message = 'Tried to run command without establishing a connection';
    expect(await explain({ closeCode: ORDERLY, ready: true, message })).to.equal('session-removed');
  });

  it('knows no cause if the socket broke off or is open, if geckodriver has its session, or lost it by this answer', async () => {
    expect(await explain({ closeCode: BROKEN, ready: true })).to.equal(undefined);
    expect(await explain({ closeCode: undefined, ready: true })).to.equal(undefined);
    expect(await explain({ closeCode: ORDERLY, ready: false })).to.equal(undefined);
    const message = 'Failed to decode response from marionette';
    expect(await explain({ closeCode: ORDERLY, ready: true, message })).to.equal(undefined);
  });

  it('knows from the output that a content process crashed, and how it ended', async () => {
    expect(await explain({ closeCode: ORDERLY, ready: true, output: CRASH })).to.equal('tab-crashed');
    expect(findContentCrash(CRASH)).to.deep.equal({ status: 'crashed', errorCode: 11 });
    expect(findContentCrash('')).to.equal(undefined);
  });

  it('does not take a page that writes the words for a crash', async () => {
    const output = `JavaScript error: x.js, line 1: Error: ${CRASH.split('\n')[0]}`;
    expect(await explain({ closeCode: BROKEN, ready: false, output })).to.equal(undefined);
  });
});

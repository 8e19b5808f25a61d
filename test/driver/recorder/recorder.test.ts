import { expect } from 'chai';

import { CommandLog } from '../../../src/driver/command-log.ts';
import { Recorder, toRecording } from '../../../src/driver/recorder/recorder.ts';
import { recordingSchema } from '../../../src/model/recording.ts';

const HANDLE = 'window-1';

describe('A recorder', () => {
  let over: AbortController;
  let commands: CommandLog;
  let recorder: Recorder;
  let sessions: number;

  beforeEach(() => {
    over = new AbortController();
    commands = new CommandLog();
    sessions = 0;
    recorder = new Recorder({ onSession: () => (sessions += 1) });
    begin();
  });

  afterEach(() => over.abort());

  const begin = () =>
    recorder.begin({
      signal: over.signal,
      over: over.signal,
      browser: 'chrome 1',
      commands,
      processGroup: undefined,
      devtools: () => undefined,
      windowHandle: () => HANDLE,
    });
  const log = (entry: object) =>
    recorder.onPageEvent(HANDLE, {
      method: 'Log.entryAdded',
      params: { entry: { source: 'network', level: 'error', ...entry } },
    });
  const taken = () => toRecording(recorder.take()!, {});

  it('records commands, also those in flight and more than the evidence of a death has', () => {
    for (let count = 0; count < 200; count += 1) commands.begin('GET /title').end('200');
    commands.begin('POST /url');
    const recording = recordingSchema.parse(taken());
    expect(recording.commands).to.have.length(201);
    expect(recording.commands.at(-1)).to.deep.include({ label: 'POST /url', outcome: 'unanswered', durationMs: null });
    expect(commands.lines()).to.have.length(50);
  });

  it('records requests without an answer and with a status of 400 or more, without their secrets', () => {
    const text = 'Failed to load resource: the server responded with a status of 503 (Unavailable)';
    log({ text, url: 'http://shop.test/cart?token=abcdefgh' });
    log({ text: 'Failed to load resource: net::ERR_CONNECTION_REFUSED', url: 'http://shop.test/' });
    log({ level: 'verbose', text: 'a hint' });
    log({ source: 'security', level: 'warning', text: 'mixed content', url: 'http://shop.test/' });
    expect(taken().failedRequests.map(({ at: _at, ...request }) => request)).to.deep.equal([
      { url: 'http://shop.test/cart?token=***', status: 503, error: null },
      { url: 'http://shop.test/', status: null, error: 'net::ERR_CONNECTION_REFUSED' },
    ]);
    expect(taken().console.map(({ level, text: shown }) => [level, shown])).to.deep.equal([
      ['warning', 'mixed content (http://shop.test/)'],
    ]);
  });

  it('records the documents of windows, but not those of frames', () => {
    const navigate = (frame: object) =>
      recorder.onPageEvent(HANDLE, { method: 'Page.frameNavigated', params: { frame } });
    navigate({ id: HANDLE, url: 'http://user:pass@shop.test/' });
    navigate({ id: 'frame', parentId: HANDLE, url: 'http://ads.test/' });
    navigate({ id: HANDLE, url: 'chrome-error://chromewebdata/', unreachableUrl: 'http://gone.test/' });
    expect(taken().navigations.map(({ url }) => url)).to.deep.equal(['http://***@shop.test/', 'http://gone.test/']);
    expect(taken().failedRequests.map(({ url }) => url)).to.deep.equal(['http://gone.test/']);
  });

  it('cuts the long message of a failed step', () => {
    begin();
    const failure = { step: 'a', message: 'long '.repeat(1_000_000) };
    expect(toRecording(recorder.take()!, { failure }).failure?.message).to.have.length.below(1_100);
  });

  it('begins anew with each session', () => {
    log({ source: 'other', level: 'info', text: 'of the first session' });
    expect(taken()).to.deep.include({ epoch: 1 });
    begin();
    expect(taken()).to.deep.include({ epoch: 2, console: [] });
  });

  it('never holds more than 4 MB', () => {
    const long = 'x'.repeat(20_000);
    const add = (method: string, params: Record<string, unknown>) => recorder.onPageEvent(HANDLE, { method, params });
    for (let count = 0; count < 190; count += 1) {
      add('Console.messageAdded', { message: { level: 'log', text: `${count}${long}` } });
      add('Page.frameNavigated', { frame: { id: HANDLE, url: `http://shop.test/${count}${long}` } });
    }
    const { console: messages, navigations } = recorder.take()!;
    const length = [...messages.map(({ text }) => text), ...navigations.map(({ url }) => url)].join('').length;
    // Each kind of text has the same limit. A letter takes up to 2 bytes, and pictures take up to 2 MB.
    expect(length).to.be.within(300_000, 400_000);
  });
});

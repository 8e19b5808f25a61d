import { expect } from 'chai';
import { SessionSettings } from '../../src/driver/session-settings.ts';

const COMMAND_TIMEOUT_MS = 20_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
const started = (timeouts: object | undefined) =>
  JSON.stringify({ value: { sessionId: '1', capabilities: timeouts === undefined ? {} : { timeouts } } });

/** Returns the settings of a session that was started with the given timeouts. */
function settingsWith(timeouts?: object): SessionSettings {
  const settings = new SessionSettings(COMMAND_TIMEOUT_MS);
  settings.learn('POST /session', {}, started(timeouts));
  return settings;
}

describe('SessionSettings: deadlines', () => {
  it('are the setting if the session itself has no limit for the command', () => {
    expect(settingsWith().deadlineFor('GET /title')).to.equal(COMMAND_TIMEOUT_MS);
    expect(settingsWith({ script: 0 }).deadlineFor('POST /execute/sync')).to.equal(COMMAND_TIMEOUT_MS);
  });

  it("are the session's own limit plus 10 s for a navigation, even if that is less than the setting", () => {
    const settings = settingsWith({ pageLoad: 2_000 });
    for (const label of ['POST /url', 'POST /refresh', 'POST /back', 'POST /forward'])
      expect(settings.deadlineFor(label), label).to.equal(12_000);
    expect(settings.deadlineFor('POST /element/{id}/click')).to.equal(COMMAND_TIMEOUT_MS);
  });

  it("are absent if the session's own limit is null", () => {
    expect(settingsWith({ script: null }).deadlineFor('POST /execute/async')).to.equal(MAX_TIMER_MS);
    expect(settingsWith({ pageLoad: null }).deadlineFor('POST /url')).to.equal(MAX_TIMER_MS);
    expect(settingsWith({ script: null }).deadlineFor('GET /title')).to.equal(COMMAND_TIMEOUT_MS);
  });

  it("are the session's own limit plus 10 s if that is more than the setting", () => {
    const settings = settingsWith({ implicit: 15_000, pageLoad: 60_000, script: 30_000 });
    for (const label of ['POST /url', 'POST /refresh', 'POST /back', 'POST /element/{id}/click', 'POST /actions']) {
      expect(settings.deadlineFor(label), label).to.equal(70_000);
    }
    expect(settings.deadlineFor('POST /execute/async')).to.equal(40_000);
    expect(settings.deadlineFor('POST /element')).to.equal(25_000);
    expect(settingsWith({ script: 1_000 }).deadlineFor('POST /execute/sync')).to.equal(COMMAND_TIMEOUT_MS);
  });

  it("are W3C's defaults plus 10 s if the session reports no timeouts", () => {
    expect(settingsWith().deadlineFor('POST /url')).to.equal(310_000);
    expect(settingsWith().deadlineFor('POST /execute/sync')).to.equal(40_000);
  });

  it('follow the changes of POST /timeouts, and preserve the timeouts that it omits', () => {
    const settings = settingsWith({ implicit: 0, pageLoad: 60_000, script: 30_000 });
    settings.learn('POST /timeouts', { script: 100_000 }, '{"value":null}');
    expect(settings.deadlineFor('POST /execute/sync')).to.equal(110_000);
    expect(settings.deadlineFor('POST /url')).to.equal(70_000);
    settings.learn('POST /timeouts', { script: null }, '{"value":null}');
    expect(settings.deadlineFor('POST /execute/sync')).to.equal(MAX_TIMER_MS);
  });

  it('never exceed the maximum of a timer, which would fire at once', () => {
    const settings = settingsWith({ pageLoad: Number.MAX_SAFE_INTEGER });
    expect(settings.deadlineFor('POST /url')).to.equal(MAX_TIMER_MS);
  });

  it('are long enough for the queue of a Grid at a start', () => {
    expect(settingsWith().deadlineFor('POST /session')).to.equal(290_000);
  });
});

describe('SessionSettings: overrides by DevTools commands', () => {
  it('are the newest of each kind, in order, and all scripts for new documents', () => {
    const settings = settingsWith();
    const send = (cmd: string, params: object) =>
      settings.learn('POST /chromium/send_command', { cmd, params }, '{"value":null}');
    send('Emulation.setTimezoneOverride', { timezoneId: 'UTC' });
    send('Page.addScriptToEvaluateOnNewDocument', { source: '1' });
    send('Page.addScriptToEvaluateOnNewDocument', { source: '2' });
    send('Page.captureScreenshot', {});
    send('Emulation.setTimezoneOverride', { timezoneId: 'Asia/Tokyo' });
    expect(settings.overrides.map(({ cmd, params }) => [cmd, ...Object.values(params)])).to.deep.equal([
      ['Page.addScriptToEvaluateOnNewDocument', '1'],
      ['Page.addScriptToEvaluateOnNewDocument', '2'],
      ['Emulation.setTimezoneOverride', 'Asia/Tokyo'],
    ]);
  });
});

describe("SessionSettings: the session's window and page", () => {
  it('contain the window after a switch, and no window after a close', () => {
    const settings = settingsWith();
    settings.learn('POST /window', { handle: 'A' }, '{"value":null}');
    expect(settings.windowHandle).to.equal('A');
    settings.learn('DELETE /window', {}, '{"value":["B"]}');
    expect(settings.windowHandle).to.equal(null);
  });

  it('contain the target of a navigation before it arrives, without secrets', () => {
    const settings = settingsWith();
    expect(settings.url).to.equal(null);
    settings.learnNavigation('POST /url', { url: 'https://ann:hunter2@shop.test/?token=hunter2&page=2' });
    expect(settings.url).to.equal('https://***@shop.test/?token=***&page=2');
    settings.learnNavigation('POST /element', { using: 'css selector' });
    settings.learnNavigation('POST /url', undefined);
    expect(settings.url).to.contain('shop.test');
  });
});

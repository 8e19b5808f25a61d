import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { Notifier } from '../../../src/monitor/alerts/notifier.ts';
import { openSinks } from '../../../src/monitor/alerts/sinks.ts';
import { Jobs } from '../../../src/monitor/jobs.ts';
import { openRegistry, type NewAlert, type Registry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { useEmptyRegistry } from '../support/empty-registry.ts';
import { openMailServer, type MailServer } from '../support/mail-server.ts';
import { makeRecordedLog } from '../support/notices.ts';
import { monitorConfig } from '../support/opened-monitor.ts';
import { ageRun, startRun } from '../support/rows.ts';
import { openSlackServer, type SlackServer } from '../support/slack-server.ts';
import { openWebhookServer, type WebhookServer } from '../support/webhook-server.ts';

/** More time than other sinks wait for a slow one. */
const PROMPT_MS = 5_000;
/** Notices do not depend on the database. The tests of the registry check the stored deliveries on both databases. */
describeOnSqlite('Notifier', (registries) => {
  const empty = useEmptyRegistry(registries);
  let registry: Registry;
  let slack: SlackServer;
  let mail: MailServer;
  let webhook: WebhookServer;
  let lines: readonly string[];
  let notifiers: Notifier[];
  let clock: SinonFakeTimers | undefined;

  beforeEach(async () => {
    ({ registry } = empty);
    notifiers = [];
    [slack, mail, webhook] = await Promise.all([openSlackServer(), openMailServer(), openWebhookServer()]);
  });

  afterEach(async () => {
    clock?.restore();
    clock = undefined;
    for (const notifier of notifiers) notifier.close();
    await Promise.all([slack.close(), mail.close(), webhook.close()]);
  });

  /** Opens a notifier with its own sinks, as a new monitor does. */
  const open = async (): Promise<Notifier> => {
    const recorded = makeRecordedLog();
    lines = recorded.lines;
    const sinks = await openSinks(settings(), recorded.log);
    const notifier = new Notifier({ sinks, host: 'box', overview: 'npm run health', log: recorded.log });
    notifiers.push(notifier);
    return notifier;
  };
  const settings = () => ({
    slackWebhookUrl: slack.hookUrl,
    alertEmail: 'oncall@example.test',
    smtpUrl: `smtp://${mail.address}`,
    alertWebhookUrl: `${webhook.url}/alerts`,
  });
  const raise = (id: string, parts: Partial<NewAlert> = {}) =>
    registry.alerts.raise({
      key: `stuck ${id}`,
      rule: 'stuck',
      severity: 'critical',
      message: `Run ${id} is stuck.`,
      next: 'npm run reset-stuck',
      owner: 'ann',
      runId: id,
      sessionId: null,
      ...parts,
    });
  const recover = (id: string) =>
    registry.alerts.end(`stuck ${id}`, { status: 'recovered', message: `It is over: run ${id} goes on.` });
  /** Returns the first line of each notice that each sink was sent, in order, accepted or not. */
  const asked = () => ({
    slack: slack.requests.map(({ body }) => firstLine((JSON.parse(body) as { text: string }).text)),
    email: mail.mails.map(({ text }) => firstLine(text)),
    webhook: webhook.requests.map(({ body }) => {
      const { status, severity, alert, message } = JSON.parse(body) as Record<string, string>;
      return `${status === 'recovered' ? 'RECOVERED' : severity!.toUpperCase()} ${alert}: ${message}`;
    }),
  });
  const toAll = (...notices: readonly string[]) => ({ slack: notices, email: notices, webhook: notices });
  /** Lets the tests end pauses. */
  const fakePauses = () => (clock = useFakeTimers({ toFake: ['performance'] }));

  describe('notifies', () => {
    it('each sink of an alert once, with its owner, its host and the command to type next (R208)', async () => {
      const notifier = await open();
      await raise('one');
      for (let round = 0; round < 3; round += 1) await notifier.deliver(registry);
      expect(asked()).to.deep.equal(toAll('CRITICAL stuck: Run one is stuck.'));
      expect(mail.mails[0]!.to).to.deep.equal(['oncall@example.test']);
      for (const text of [slack.messages[0]!.text, mail.mails[0]!.text])
        expect(text).to.match(/\nOwner: ann\nRun: one\nHost: box\nSince: 20\S+Z\nNext: npm run reset-stuck$/);
      expect(lines).to.deep.equal([]);
    });

    it('of a recovery once, and again of the next beginning (R208)', async () => {
      const notifier = await open();
      const round = async () => {
        await notifier.deliver(registry);
        await notifier.deliver(registry);
      };
      await raise('one');
      await round();
      await recover('one');
      await round();
      const expected = ['CRITICAL stuck: Run one is stuck.', 'RECOVERED stuck: It is over: run one goes on.'];
      expect(asked()).to.deep.equal(toAll(...expected));
      // Beginnings of one alert differ by their times.
      const before = Date.now();
      await eventually(async () => Date.now() > before, 'the clock to go on');
      await raise('one');
      await round();
      expect(asked()).to.deep.equal(toAll(...expected, expected[0]!));
    });

    it('no sink of an alert that was closed without a notice, or that ended before it was sent', async () => {
      const notifier = await open();
      await raise('closed');
      await notifier.deliver(registry);
      await registry.alerts.end('stuck closed', { status: 'closed', message: 'It became worse.' });
      await raise('short');
      await recover('short');
      await notifier.deliver(registry);
      expect(asked()).to.deep.equal(toAll('CRITICAL stuck: Run closed is stuck.'));
    });

    it('no sink twice after a restart of the monitor, and continues with the remaining notices (R208)', async () => {
      await raise('one');
      await (await open()).deliver(registry);
      await using later = await openRegistry(empty.url);
      const next = await open();
      await next.deliver(later);
      expect(asked().webhook).to.have.length(1);
      await recover('one');
      await next.deliver(later);
      expect(asked()).to.deep.equal(
        toAll('CRITICAL stuck: Run one is stuck.', 'RECOVERED stuck: It is over: run one goes on.'),
      );
    });

    it('of five alerts of one rule by five notices, and of six by one notice that names three', async () => {
      const notifier = await open();
      const ids = ['1', '2', '3', '4', '5'];
      for (const id of ids) await raise(id);
      await notifier.deliver(registry);
      const single = ids.map((id) => `CRITICAL stuck: Run ${id} is stuck.`);
      expect(asked().webhook.toSorted()).to.deep.equal(single);
      for (const id of [...ids, '6']) await raise(`next ${id}`);
      await raise('other', { key: 'memory', rule: 'memory', severity: 'warning', message: 'Much.', runId: null });
      await notifier.deliver(registry);
      await notifier.deliver(registry);
      const [several, other, ...more] = asked().slack.slice(5).toSorted();
      expect(several).to.match(/^CRITICAL stuck: 6 alerts at once\.( Run next \d is stuck\.){3} And 3 more\.$/);
      expect(other).to.equal('WARNING memory: Much.');
      expect(more).to.deep.equal([]);
      expect(slack.messages.find(({ text }) => text.includes('6 alerts at once'))!.text).to.match(
        /\nNext: npm run health$/,
      );
      for (const id of [...ids, '6']) await recover(`next ${id}`);
      await notifier.deliver(registry);
      expect(asked().email.at(-1)).to.match(/^RECOVERED stuck: 6 alerts at once\./);
      expect(asked().email).to.have.length(8);
    });
  });

  describe('with a sink that can not be reached', () => {
    it('tries it again after longer and longer pauses, delivers once, and does not delay the others (R208)', async () => {
      const time = fakePauses();
      const notifier = await open();
      slack.answer('reset');
      await raise('one');
      await notifier.deliver(registry);
      const notice = 'CRITICAL stuck: Run one is stuck.';
      expect(asked()).to.deep.equal(toAll(notice));
      // A sink that breaks the connection has not accepted the notice.
      slack.answer({ status: 503, body: 'not now' });
      for (const [pauseMs, tries] of [
        [1_000, 2],
        [2_000, 3],
        [4_000, 4],
      ] as const) {
        time.tick(pauseMs - 1);
        await notifier.deliver(registry);
        expect(slack.requests, `before ${pauseMs} ms are over`).to.have.length(tries - 1);
        time.tick(1);
        await notifier.deliver(registry);
        expect(slack.requests).to.have.length(tries);
      }
      slack.answer({ status: 200, body: 'ok' });
      time.tick(8_000);
      await notifier.deliver(registry);
      await notifier.deliver(registry);
      expect(asked()).to.deep.equal({ ...toAll(notice), slack: Array<string>(5).fill(notice) });
      expect(lines.filter((line) => line.startsWith('warning: A notice did not reach slack'))).to.have.length(4);
      expect(lines.at(-1)).to.match(/^Notices reach slack again/);
      for (const secret of slack.secrets) expect(lines.join('')).to.not.contain(secret);
    });

    it('sends it other notices if it refuses one (R208)', async () => {
      fakePauses();
      const notifier = await open();
      slack.answer(({ body }) =>
        body.includes('Run bad ') ? { status: 400, body: 'no' } : { status: 200, body: 'ok' },
      );
      await raise('bad');
      await raise('good', { key: 'memory', rule: 'memory', severity: 'warning', message: 'Much.', runId: null });
      await notifier.deliver(registry);
      await raise('later');
      await notifier.deliver(registry);
      expect(asked().slack).to.deep.equal([
        'CRITICAL stuck: Run bad is stuck.',
        'WARNING memory: Much.',
        'CRITICAL stuck: Run later is stuck.',
      ]);
    });

    it('tries it at least once a minute', async () => {
      const time = fakePauses();
      const notifier = await open();
      slack.answer({ status: 500 });
      await raise('one');
      for (let round = 1; round <= 10; round += 1) {
        await notifier.deliver(registry);
        expect(slack.requests).to.have.length(round);
        time.tick(60_000);
      }
    });

    it('sends a recovery only to the sinks that received the alert (R208)', async () => {
      const time = fakePauses();
      const notifier = await open();
      slack.answer({ status: 500 });
      await raise('one');
      await notifier.deliver(registry);
      await recover('one');
      await notifier.deliver(registry);
      slack.answer({ status: 200 });
      time.tick(60_000);
      await raise('two');
      await notifier.deliver(registry);
      const expected = [
        'CRITICAL stuck: Run one is stuck.',
        'RECOVERED stuck: It is over: run one goes on.',
        'CRITICAL stuck: Run two is stuck.',
      ];
      expect(asked()).to.deep.equal({ ...toAll(...expected), slack: [expected[0], expected[2]] });
    });
  });

  describe('with a sink that hangs', () => {
    const hang = async () => {
      webhook.answer('never');
      const notifier = await open();
      await raise('one');
      const delivery = notifier.deliver(registry);
      await eventually(async () => asked().webhook.length === 1, 'the request that has no answer');
      await eventually(async () => asked().slack.length + asked().email.length === 2, 'the others');
      // A delivery is stored a moment after the sink has answered.
      await eventually(async () => Object.keys((await registry.alerts.list())[0]!.delivered).length === 2, 'that');
      return { notifier, delivery };
    };

    it('delays neither other sinks nor later notices, and sends it one notice at a time (R208)', async () => {
      const { notifier, delivery } = await hang();
      await raise('two');
      const next = notifier.deliver(registry);
      await next;
      const expected = ['CRITICAL stuck: Run one is stuck.', 'CRITICAL stuck: Run two is stuck.'];
      expect(asked()).to.deep.equal({ ...toAll(...expected), webhook: [expected[0]] });
      notifier.close();
      await delivery;
    }).timeout(PROMPT_MS);

    it('gives up at once when the monitor is closed, and the next monitor delivers (R208)', async () => {
      const { notifier, delivery } = await hang();
      const disconnect = webhook.waitForDisconnect();
      notifier.close();
      await Promise.all([delivery, disconnect]);
      webhook.answer({ status: 200 });
      await (await open()).deliver(registry);
      const notice = 'CRITICAL stuck: Run one is stuck.';
      expect(asked()).to.deep.equal({ ...toAll(notice), webhook: [notice, notice] });
    }).timeout(PROMPT_MS);

    it('lets the monitor notify the others of later findings (R208)', async () => {
      webhook.answer('never');
      const { log } = makeRecordedLog();
      const config = {
        ...monitorConfig(empty.url, {
          HEALTH_CHECK_ENABLED: 'true',
          SESSION_HEALTH_CHECK_INTERVAL: '0.02',
          AUTO_TIMEOUT_ENABLED: 'false',
        }),
        ...settings(),
      };
      // The jobs need their own connection, so that no other statement of this thread gets into their transactions.
      await using own = await openRegistry(empty.url);
      const jobs = new Jobs({
        registry: own,
        config,
        sweeper: {
          host: 'box',
          gridUrl: undefined,
          thresholds: { warningMs: config.warningThresholdMs, timeoutMs: config.sessionTimeoutMs },
          heartbeatIntervalMs: config.heartbeatIntervalMs,
          isAutoTimeoutEnabled: config.isAutoTimeoutEnabled,
          pausedSince: () => 0,
          log,
        },
        limits: { maxLongRunning: 3, maxMemoryBytes: Infinity, commandLine: (command) => command },
        sinks: await openSinks(config, log),
        log,
      });
      jobs.start();
      try {
        for (const [index, id] of ['first', 'second', 'third'].entries()) {
          await startRun(registry, { id });
          await ageRun(empty.url, id, 31);
          await eventually(
            async () => asked().slack.length > index && asked().email.length > index,
            `a notice of ${id}`,
          );
          expect(asked().slack[index]).to.contain(id);
        }
        expect(asked().webhook).to.have.length(1);
      } finally {
        await jobs.stop();
        jobs.close();
      }
    }).timeout(PROMPT_MS);
  });
});

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

import { expect } from 'chai';

import { openRegistry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { numbers } from '../../support/opened-run.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { ask, openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';

/** More bytes than the buffers of a connection can hold. */
const RECORD_BYTES = 15_000_000;
const PAGE = '/runs/large/records?limit=1';

describeOnSqlite('Monitor: answers that clients do not read', (registries) => {
  let monitor: OpenedMonitor;
  let sockets: Socket[];

  before(async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    await registry.runs.create({ id: 'large', action: 'gather', params: {}, owner: 'ann' });
    await registry.runs.saveRecord('large', { text: 'x'.repeat(RECORD_BYTES) }, { key: 'a' });
    monitor = await openMonitor(url, { MONITOR_TOKEN: '' });
  });

  beforeEach(() => (sockets = []));

  after(() => monitor.close());

  /** Sends requests over one connection, and reads only the beginning of the first answer. */
  const askUnread = async (localAddress: string, target: string, times = 1): Promise<void> => {
    const { hostname, port } = new URL(monitor.url);
    const socket = createConnection({ host: hostname, port: Number(port), localAddress });
    sockets.push(socket);
    socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(times));
    await once(socket, 'readable');
    expect((socket.read(12) as Buffer).toString('latin1')).to.equal('HTTP/1.1 200');
  };
  const statusFor = async (localAddress: string, target: string) =>
    (await ask(monitor.url, target, { localAddress })).status;
  const leave = async () => {
    for (const socket of sockets) socket.destroy();
  };

  it('are limited to eight pages of rows for one client, and do not delay other clients', async () => {
    for (const _number of numbers(8)) await askUnread('127.0.0.2', PAGE);
    const refused = await ask(monitor.url, PAGE, { localAddress: '127.0.0.2' });
    expect({
      status: refused.status,
      code: refused.json.error.code,
      after: refused.headers['retry-after'],
    }).to.deep.equal({
      status: 429,
      code: 'too-many-requests',
      after: '1',
    });
    expect(await statusFor('127.0.0.2', '/runs')).to.equal(429);
    expect(await statusFor('127.0.0.2', '/statistics')).to.equal(200);
    expect(await statusFor('127.0.0.3', PAGE)).to.equal(200);
    await leave();
    await eventuallyAnswered('127.0.0.2', PAGE);
  });

  it('are limited to two hundred for one client, however they are sent, and do not block /livez', async () => {
    // The first answer fills the connection. The others wait behind it.
    const target = `${PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n${'GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(300)}GET /livez`;
    await askUnread('127.0.0.4', target);
    expect(await statusFor('127.0.0.4', '/statistics')).to.equal(429);
    expect(await statusFor('127.0.0.4', '/livez')).to.equal(200);
    expect(await statusFor('127.0.0.4', '/readyz')).to.equal(200);
    expect(await statusFor('127.0.0.5', '/statistics')).to.equal(200);
    await leave();
    await eventuallyAnswered('127.0.0.4', '/statistics');
  });

  const eventuallyAnswered = (client: string, target: string) =>
    eventually(async () => (await statusFor(client, target)) === 200, 'it is answered again');
});

import { expect } from 'chai';
import * as fc from 'fast-check';

import { openRegistry } from '../../../src/registry/registry.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnBoth } from '../../support/registries.ts';
import { fuzzedRequests, malformedRequests } from './fuzzed-requests.ts';
import { openMonitor, TOKEN, type OpenedMonitor } from './opened-monitor.ts';
import { sendBytes, toBytes, type RawAnswer } from './raw-http.ts';
import { startRun } from './rows.ts';

/** Secrets in the registry that no answer may contain. */
const PLANTED = 'planted-parameter-of-a-run';

/** Describes fuzz tests. A failure prints its seed and path. The variable `SEED` replaces the fixed seed. */
export function describeFuzz(
  name: string,
  { cases, monitors }: { readonly cases: number; readonly monitors: number },
): void {
  const seed = Number(process.env['SEED'] ?? 20_260_301);

  describeOnBoth(name, (registries) => {
    let url: string;
    let open: OpenedMonitor[] = [];

    before(async () => {
      url = await registries.url();
      await using registry = await openRegistry(url);
      await startRun(registry, { id: 'run' });
      await registry.runs.saveRecord('run', { a: 1 }, { key: 'a' });
      await rawSql(url, `update runs set params = ${literal(JSON.stringify({ PLANTED }))}`);
      open = await Promise.all(Array.from({ length: monitors }, () => openMonitor(url)));
    });

    after(() => Promise.all(open.map((monitor) => monitor.close())));

    afterEach('says afterwards that it is well, and has failed for no reason of its own', async () => {
      for (const monitor of open) {
        expect((await monitor.ask('/readyz')).status).to.equal(200);
        expect((await monitor.ask('/metrics')).status).to.equal(200);
        expect(monitor.lines.filter((line) => line.includes('"level":"error"'))).to.deep.equal([]);
      }
      const rows = await rawSql(url, 'select id from runs');
      expect(rows.map(({ id }) => id)).to.deep.equal(['run']);
    });

    it('are answered in time, without 500 and without secrets', async function () {
      this.timeout(600_000);
      const { json: document } = await open[0]!.ask('/openapi.json');
      let number = 0;
      await fc.assert(
        fc.asyncProperty(fuzzedRequests(document, TOKEN), async (request) => {
          const monitor = open[(number += 1) % open.length]!;
          const { method, target } = request;
          const answer = await sendBytes(monitor.url, toBytes(request), {
            hasBody: method !== 'HEAD',
            // A client with wrong tokens has to wait.
            localAddress: `127.1.${number >> 8}.${number % 256}`,
          });
          expectHarmless(answer);
          expect(answer.status, 'no answer at all').to.be.a('number');
          if (answer.status === 503) expect(target).to.match(/^\/(health|events)/);
          if (/^content-type: application\/json/m.test(answer.head) && method !== 'HEAD') JSON.parse(answer.body);
          if (answer.status === 200 && !target.startsWith('/dashboard/'))
            expect(answer.body).to.not.include('"devDependencies"');
        }),
        { numRuns: cases, seed },
      );
    });

    it('that are not HTTP do not stop the monitor', async function () {
      this.timeout(600_000);
      await fc.assert(
        fc.asyncProperty(malformedRequests(), async (bytes) => {
          expectHarmless(await sendBytes(open[0]!.url, bytes, { isAll: true }));
        }),
        { numRuns: Math.ceil(cases / 3), seed },
      );
    });
  });
}

function expectHarmless({ status, head, body }: RawAnswer): void {
  if (status !== undefined) expect(status).to.satisfy((one: number) => one < 500 || one === 503 || one === 505);
  for (const secret of [TOKEN, PLANTED, '"devDependencies"', 'node_modules', 'postgres:postgres', '    at '])
    expect(head + body, secret).to.not.include(secret);
}

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { expect } from 'chai';

import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { insertSession, literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnPostgres } from '../../support/registries.ts';
import { openMonitor, TOKEN, type AskOptions, type OpenedMonitor } from '../support/opened-monitor.ts';
import { ageRun, startRun, startSession } from '../support/rows.ts';
import { makeDeath } from '../../support/make-death.ts';

/** The promised routes, and those that the dashboard needs besides. */
const ROUTES = [
  'get /livez',
  'get /readyz',
  'get /health',
  'get /health/sessions',
  'get /health/sessions/stuck',
  'get /sessions',
  'get /sessions/{id}',
  'post /sessions/{id}/end',
  'get /runs',
  'get /runs/{id}',
  'get /runs/{id}/records',
  'get /runs/{id}/steps',
  'get /runs/{id}/events',
  'post /runs/{id}/cancel',
  'post /reset-stuck',
  'get /events',
  'get /alerts',
  'get /timeline',
  'get /statistics',
  'get /metrics',
  'get /openapi.json',
];
const NOT_JSON = ['get /events', 'get /metrics'];
const CHANGES = ROUTES.filter((route) => route.startsWith('post '));
const OPEN = ['get /livez', 'get /readyz'];
const DEATH = { cause: 'browser-gone', detectedBy: 'devtools', evidence: { message: 'gone' }, message: 'gone' };

interface Operation {
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

interface Document {
  readonly openapi: string;
  readonly security: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly securitySchemes: object };
}

// PostgreSQL may return numbers as texts.
describeOnPostgres('Monitor: its OpenAPI document', (registries) => {
  let registry: Registry;
  let monitor: OpenedMonitor;
  let document: Document;
  let schemas: Ajv2020;

  before(async () => {
    const url = await registries.url();
    registry = await openRegistry(url);
    await fill(registry, url);
    monitor = await openMonitor(url);
    document = (await monitor.ask('/openapi.json')).json;
    schemas = new Ajv2020({ strict: false, allErrors: true, formats: fullFormats });
    schemas.addSchema({ $id: 'document', ...document });
  });

  after(async () => {
    await monitor.close();
    await registry.close();
  });

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ route: `${method} ${path}`, operation })),
    );
  const schemaOf = (route: string, status: number): ValidateFunction => {
    const [method = '', path = ''] = route.split(' ');
    const pointer = ['paths', path, method, 'responses', `${status}`, 'content', 'application/json', 'schema'];
    const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
    const found = schemas.getSchema(`document#/${escaped.join('/')}`);
    if (found === undefined) throw new Error(`The document has no answer ${status} of ${route}.`);
    return found;
  };

  it('is valid OpenAPI 3.1', async () => {
    expect(document.openapi).to.match(/^3\.1\./);
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
    expect(valid, JSON.stringify(errors)).to.equal(true);
  });

  it('has every route with a summary, except for the files of the dashboard', () => {
    expect(
      operations()
        .map(({ route }) => route)
        .toSorted(),
    ).to.deep.equal(ROUTES.toSorted());
    for (const { route, operation } of operations())
      expect(operation.summary, route).to.be.a('string').and.not.equal('');
  });

  it('requires the token for changes, allows it for reads, and omits it for the two routes of load balancers', () => {
    expect(document.security).to.deep.equal([{}, { token: [] }]);
    expect(document.components.securitySchemes).to.deep.equal({ token: { type: 'http', scheme: 'bearer' } });
    for (const { route, operation } of operations()) {
      const expected = CHANGES.includes(route) ? [{ token: [] }] : OPEN.includes(route) ? [] : undefined;
      expect(operation.security, route).to.deep.equal(expected);
    }
  });

  const cases: { route: string; target: string; status: number; options?: AskOptions }[] = [
    { route: 'get /livez', target: '/livez', status: 200 },
    { route: 'get /readyz', target: '/readyz', status: 200 },
    { route: 'get /health', target: '/health', status: 503 },
    { route: 'get /health/sessions', target: '/health/sessions', status: 200 },
    { route: 'get /health/sessions/stuck', target: '/health/sessions/stuck', status: 200 },
    { route: 'get /sessions', target: '/sessions', status: 200 },
    { route: 'get /sessions', target: '/sessions?limit=1&status=dead', status: 200 },
    { route: 'get /sessions', target: '/sessions?limit=x', status: 400 },
    { route: 'get /sessions/{id}', target: '/sessions/dead', status: 200 },
    { route: 'get /sessions/{id}', target: '/sessions/odd', status: 200 },
    { route: 'get /sessions/{id}', target: '/sessions/nobody', status: 404 },
    { route: 'get /sessions/{id}', target: '/sessions/', status: 400 },
    { route: 'get /runs', target: '/runs', status: 200 },
    { route: 'get /runs', target: '/runs?status=failed&limit=1', status: 200 },
    { route: 'get /runs', target: '/runs?status=none', status: 400 },
    { route: 'get /runs/{id}', target: '/runs/failed', status: 200 },
    { route: 'get /runs/{id}', target: '/runs/stuck', status: 200 },
    { route: 'get /runs/{id}', target: '/runs/nobody', status: 404 },
    { route: 'get /runs/{id}', target: '/runs/%00', status: 400 },
    { route: 'get /runs/{id}/records', target: '/runs/stuck/records', status: 200 },
    { route: 'get /runs/{id}/records', target: '/runs/stuck/records?limit=1', status: 200 },
    { route: 'get /runs/{id}/records', target: '/runs/nobody/records', status: 404 },
    { route: 'get /runs/{id}/records', target: '/runs/stuck/records?limit=-1', status: 400 },
    { route: 'get /runs/{id}/steps', target: '/runs/stuck/steps?status=failed&limit=1', status: 200 },
    { route: 'get /runs/{id}/steps', target: '/runs/nobody/steps', status: 404 },
    { route: 'get /runs/{id}/steps', target: '/runs/stuck/steps?status=none', status: 400 },
    { route: 'get /runs/{id}/events', target: '/runs/stuck/events?limit=1', status: 200 },
    { route: 'get /runs/{id}/events', target: '/runs/nobody/events', status: 404 },
    { route: 'get /runs/{id}/events', target: '/runs/stuck/events?limit=0', status: 400 },
    { route: 'get /alerts', target: '/alerts', status: 200 },
    { route: 'get /timeline', target: '/timeline', status: 200 },
    { route: 'get /timeline', target: '/timeline?minutes=1440', status: 200 },
    { route: 'get /timeline', target: '/timeline?minutes=0', status: 400 },
    { route: 'get /statistics', target: '/statistics', status: 200 },
    { route: 'get /openapi.json', target: '/openapi.json', status: 200 },
    ...CHANGES.map((route) => ({
      route,
      target: route.slice('post '.length).replace('{id}', 'nobody'),
      status: 401,
      options: { method: 'POST', token: null },
    })),
    ...ROUTES.filter((route) => route.startsWith('get ') && !NOT_JSON.includes(route)).flatMap((route) => {
      const target = route.slice('get '.length).replace('{id}', 'nobody');
      return [
        { route, target, status: 421, options: { headers: { host: 'evil.example' } } },
        { route, target, status: 403, options: { headers: { origin: 'https://evil.example' } } },
        ...(OPEN.includes(route) ? [] : [{ route, target, status: 401, options: { token: null } }]),
      ];
    }),
    { route: 'post /reset-stuck', target: '/reset-stuck', status: 200, options: change({ dry_run: true }) },
    { route: 'post /reset-stuck', target: '/reset-stuck', status: 400, options: change({ ids: 1 }) },
    { route: 'post /sessions/{id}/end', target: '/sessions/to%20end/end', status: 200, options: change() },
    { route: 'post /sessions/{id}/end', target: '/sessions/dead/end', status: 409, options: change() },
    { route: 'post /sessions/{id}/end', target: '/sessions/nobody/end', status: 404, options: change() },
    { route: 'post /sessions/{id}/end', target: '/sessions//end', status: 400, options: change() },
    { route: 'post /runs/{id}/cancel', target: '/runs/waiting/cancel', status: 200, options: change() },
    { route: 'post /runs/{id}/cancel', target: '/runs/failed/cancel', status: 409, options: change() },
    { route: 'post /runs/{id}/cancel', target: '/runs/nobody/cancel', status: 404, options: change() },
    { route: 'post /runs/{id}/cancel', target: '/runs/%00/cancel', status: 400, options: change() },
    { route: 'post /reset-stuck', target: '/reset-stuck', status: 200, options: change() },
  ];
  it('describes every answer, success and failure, with all its fields', async () => {
    for (const { route, target, status, options = {} } of cases) {
      const answer = await monitor.ask(target, options);
      const what = `${options.method ?? 'GET'} ${target}: ${answer.text}`;
      expect(answer.status, what).to.equal(status);
      const isValid = schemaOf(route, status);
      isValid(answer.json);
      expect(isValid.errors ?? [], what).to.deep.equal([]);
    }
  });

  it('describes no answer that allows arbitrary fields', () => {
    for (const { route, operation } of operations()) {
      for (const status of Object.keys(operation.responses)) {
        if (NOT_JSON.includes(route) || (route === 'get /openapi.json' && status === '200')) continue;
        const isValid = schemaOf(route, Number(status));
        expect(isValid({}), `${route} ${status}`).to.equal(false);
        expect(isValid({ nonsense: true }), `${route} ${status}`).to.equal(false);
      }
    }
  });

  it('describes the answers while the registry can’t be used', async () => {
    const names = ['sessions', 'runs', 'steps', 'events', 'alerts', 'records', 'counters', 'leaders'];
    for (const name of names) await rawSql(monitor.config.registryUrl, `alter table ${name} rename to no_${name}`);
    const bad: string[] = [];
    for (const { route, operation } of operations()) {
      if (operation.responses['503'] === undefined) continue;
      const [method = '', path = ''] = route.split(' ');
      // The result of a write test is reused for half a second.
      const answer = await eventually(async () => {
        const one = await monitor.ask(path.replace('{id}', 'stuck'), { method: method.toUpperCase(), token: TOKEN });
        return one.status === 503 && one;
      }, `a 503 of ${route}`);
      if (!schemaOf(route, 503)(answer.json)) bad.push(`${route}: ${answer.text}`);
    }
    for (const name of names) await rawSql(monitor.config.registryUrl, `alter table no_${name} rename to ${name}`);
    expect(bad).to.deep.equal([]);
  });
});

function change(body?: unknown): AskOptions {
  return { method: 'POST', token: TOKEN, ...(body !== undefined && { body }) };
}

/** Adds one row of everything that has its own shape. */
async function fill(registry: Registry, url: string): Promise<void> {
  const { runs, leases } = registry;
  await startRun(registry, { id: 'stuck' });
  await runs.setProgress('stuck', { done: 0.5, total: 3, label: 'pages' });
  for (const record of [{ deep: [{ a: null }, 1e300, '\u0000'] }, [1], { '': {} }])
    await runs.saveRecord('stuck', record, { key: JSON.stringify(record) });
  await ageRun(url, 'stuck', 45);
  await startSession(registry, { id: 'dead' });
  await leases.release('dead', 'manager', { status: 'dead', death: DEATH });
  await startSession(registry, { id: 'to end' });
  // The clock of its machine is ahead of this one's.
  await rawSql(
    url,
    insertSession({ id: 'odd', owner: 'odd', status: 'starting', created_at: '2999-01-01T00:00:00.000Z' }),
  );
  for (const id of ['failed', 'waiting'])
    await runs.create({ id, action: 'gather', params: {}, owner: `owner of ${id}` });
  await runs.setStatus('failed', 'failed', { code: 'units-failed', message: 'two of them failed' });
  await rawSql(
    url,
    `update runs set deaths = ${literal(JSON.stringify([makeDeath()]))}, duration_ms = 7, display_done = 7, display_total = 3 where id = 'failed'`,
  );
  await registry.alerts.raise({
    key: 'planted',
    rule: 'planted',
    severity: 'warning',
    message: 'It is planted.',
    next: null,
    owner: null,
    runId: null,
    sessionId: null,
  });
}

import * as fc from 'fast-check';

import type { RawRequest } from './raw-http.ts';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'];
const OTHER_PATHS = [
  '/',
  '/dashboard/dashboard.js',
  '/dashboard/vendor/chart.umd.js',
  '/dashboard/vendor/lit-html/lit-html.js',
  '/favicon.ico',
  '/dashboard/..%2f..%2fpackage.json',
  '/dashboard/%2e%2e/%2e%2e/%2e%2e/package.json',
  '/dashboard/..\\..\\..\\package.json',
  '/dashboard/....//....//package.json',
  '/dashboard/vendor/../../../../package.json',
  '/dashboard/vendor/lit-html/../chart.js/package.json',
  '/dashboard//etc/passwd',
  '/dashboard/%00',
  '//evil.example/runs',
  'http://evil.example/runs',
  '*',
  '',
];
const ODD_TEXTS = [
  '',
  ' ',
  '.',
  '..',
  '\0',
  'a\0b',
  "' or 1=1 --",
  '"; drop table runs; --',
  '%',
  '%s%n',
  '${7*7}',
  '<script>alert(1)</script>',
  'x'.repeat(199),
  'x'.repeat(300),
  'x'.repeat(10_000),
  '9'.repeat(400),
  '-1',
  '0',
  '1e309',
  '9007199254740993',
  'NaN',
  'Infinity',
  'null',
  'true',
  '[]',
  '{}',
  '__proto__',
  'constructor',
  '\u202e',
  '\ud800',
  '日本',
  '2024-01-01T00:00:00.000Z.x',
  '2024-99-99T99:99:99.999Z.',
  '1.1.x',
  '999999999.999999999.',
];
const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/xml',
  'nonsense',
  '',
  ';',
];
const HOSTS = ['localhost', '127.0.0.1', '[::1]:80', 'evil.example', ''];
const ODD_HEADERS = [
  'Accept: application/json',
  'Accept: text/event-stream;q=0',
  'Accept-Encoding: gzip, br',
  'Last-Event-ID: 0',
  'Last-Event-ID: -1',
  'Last-Event-ID: 99999999999999999999',
  `Last-Event-ID: ${'9'.repeat(400)}`,
  'Range: bytes=0-1',
  'Range: bytes=999999999-',
  'If-None-Match: *',
  'If-Modified-Since: never',
  'X-HTTP-Method-Override: POST',
  'X-Forwarded-Host: localhost',
  'X-Original-URL: /reset-stuck',
  'Origin: https://evil.example',
  'Access-Control-Request-Method: POST',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Cookie: token=x; __proto__=y',
  `X-Long: ${'y'.repeat(9_000)}`,
  'Accept-Version: 9.0.0',
];

/** The part of the OpenAPI document from which requests are made. */
interface Described {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly parameters?: readonly { in: string; name: string }[] }>>>
  >;
}

/** Valid and invalid requests to routes in the document and to others. */
export function fuzzedRequests(document: Described, token: string): fc.Arbitrary<RawRequest> {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => ({
      path,
      method: method.toUpperCase(),
      names: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
    })),
  );
  const oddText = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...ODD_TEXTS) },
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('run', 'session of run'),
  );
  // Encoded once, encoded twice, not encoded, and bytes that are not text.
  const written = fc.oneof(
    { weight: 4, arbitrary: oddText.map((text) => encodeURIComponent(text.toWellFormed())) },
    oddText.map((text) => encodeURIComponent(encodeURIComponent(text.toWellFormed()))),
    oddText.map((text) => text.replaceAll(/[\r\n ]/g, '')),
    fc.constantFrom('%ff%fe', '%c0%ae', '%zz', '%', '%u0041', '%00', 'a%2fb', 'a%5cb', '%0d%0aX:%20y'),
  );
  const place = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .record({ one: fc.constantFrom(...described), id: written })
        .map(({ one, id }) => ({ ...one, path: one.path.replace('{id}', id) })),
    },
    fc.constantFrom(...OTHER_PATHS).map((path) => ({ path, method: 'GET', names: [] as string[] })),
    written.map((path) => ({ path: `/${path}`, method: 'GET', names: [] as string[] })),
  );
  const target = place.chain(({ path, method, names }) =>
    fc
      .record({
        query: fc.array(fc.tuple(fc.constantFrom(...names, 'limit', 'x[]', '__proto__'), written), { maxLength: 3 }),
        otherMethod: fc.option(fc.constantFrom(...METHODS), { freq: 4 }),
      })
      .map(({ query, otherMethod }) => ({
        method: otherMethod ?? method,
        target: path + (query.length === 0 ? '' : `?${query.map((pair) => pair.join('=')).join('&')}`),
      })),
  );
  const json = fc.oneof(
    fc.record(
      {
        ids: fc.oneof(fc.array(oddText, { maxLength: 3 }), fc.anything()),
        timeout_minutes: fc.oneof(fc.double(), fc.integer(), oddText),
        dry_run: fc.oneof(fc.boolean(), oddText),
        other: fc.anything(),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
  );
  const body = fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    { weight: 3, arbitrary: json.map((value) => JSON.stringify(value, withoutBigints) ?? '') },
    fc.constantFrom(
      '{',
      '[[[[',
      '['.repeat(50_000),
      '{"__proto__":{"dry_run":false}}',
      '{"constructor":{"prototype":{}}}',
      '{"ids":["\\ud800"]}',
      '{"timeout_minutes":1e999}',
      '\ufeff{}',
      'null',
      `"${'x'.repeat(2_000_000)}"`,
      'ids=run&dry_run=true',
    ),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );
  const head = fc.record({
    host: fc.oneof({ weight: 8, arbitrary: fc.constant('localhost') }, fc.constantFrom(...HOSTS)),
    authorization: fc.constantFrom(
      undefined,
      `Bearer ${token}`,
      `Bearer ${token}`,
      'Bearer wrong',
      `Basic ${Buffer.from(`me:${token}`).toString('base64')}`,
      'Basic %%%',
      'Bearer ',
      `Digest ${'z'.repeat(5_000)}`,
    ),
    type: fc.option(fc.oneof({ weight: 3, arbitrary: fc.constant('application/json') }, fc.constantFrom(...TYPES))),
    others: fc.uniqueArray(fc.constantFrom(...ODD_HEADERS), { maxLength: 2 }),
  });
  return fc
    .record({ where: target, head, body })
    .map(({ where, head: { host, authorization, type, others }, body: text }) => ({
      ...where,
      headers: [
        `Host: ${host}`,
        'Connection: close',
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
        ...(type === null ? [] : [`Content-Type: ${type}`]),
        ...others,
      ],
      body: Buffer.from(text, 'utf8'),
    }));
}

/** Bytes that are not a valid request. The client sends nothing after them. */
export function malformedRequests(): fc.Arbitrary<Buffer> {
  const nearly = [
    'GET / HTTP/1.1\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    'POST /reset-stuck HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'GET /runs HTTP/9.9\r\nHost: localhost\r\n\r\n',
    'GET /runs\r\n\r\n',
    'GET  /runs  HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'GET /runs HTTP/1.1\nHost: localhost\n\n',
    'GET /ru\0ns HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost : localhost\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost: local\0host\r\n\r\n',
    'GET /runs HTTP/1.1\r\n Host: localhost\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost: localhost\r\nX\r\n\r\n',
    `GET /runs HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(3_000)}\r\n`,
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `${'X'.repeat(50_000)} / HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
    '\r\n\r\n\r\n',
    'GET /runs HTTP/1.1\r\nHost: localhost\r\n\r\nGET /runs HTTP/1.1\r\nHost: evil.example\r\n\r\n',
  ];
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...nearly).map((text) => Buffer.from(text, 'latin1')) },
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    // A valid request with one byte changed.
    fc
      .record({
        text: fc.constantFrom(...nearly.filter((one) => one.length < 500)),
        at: fc.nat(200),
        byte: fc.nat(255),
      })
      .map(({ text, at, byte }) => {
        const bytes = Buffer.from(text, 'latin1');
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
  );
}

function withoutBigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

import { expect } from 'chai';
import { inspect } from 'node:util';
import { findAddressSecrets, findSecrets, redactText, redactUrl, redactValue } from '../../src/core/redact.ts';

/** A secret that is inserted wherever a secret may be; the output must not contain it. */
const SECRET = 'hunter2';

describe('redactUrl', () => {
  for (const [what, url] of [
    ['a password', `https://ann:${SECRET}@shop.test/cart`],
    ['a user name, which may be a key', `https://${SECRET}@shop.test/`],
    ["a password with a slash, which can't be parsed", `postgres://ann:${SECRET}/x@db.test/shop`],
    ['a password with a hash', `postgres://ann:pa#${SECRET}@db.test/shop`],
    ['a token in the query', `https://shop.test/?page=2&access_token=${SECRET}`],
    ['a parameter named pwd', `https://shop.test/?pwd=${SECRET}`],
    ['an API key', `https://maps.test/?key=${SECRET}&api-key=${SECRET}`],
    ['a signature', `https://bucket.test/file?sig=${SECRET}&X-Amz-Signature=${SECRET}`],
    ['a parameter given twice', `https://shop.test/?token=${SECRET}&token=${SECRET}`],
    ['a token in the fragment', `https://shop.test/callback#id_token=${SECRET}`],
    ['an overlong value', `https://shop.test/?state=${SECRET}${'x'.repeat(80)}`],
    ['an overlong fragment', `https://shop.test/#${SECRET}${'x'.repeat(80)}`],
    ['a data URL', `data:text/html,${SECRET}`],
    [
      'a code, a session and a one-time password',
      `https://shop.test/?code=${SECRET}&sid=${SECRET}&session=${SECRET}&otp=${SECRET}`,
    ],
    ['the same in a fragment', `https://shop.test/#/callback?code=${SECRET}&page=2`],
    ['a session id in the path', `https://shop.test/cart;jsessionid=${SECRET}?page=2`],
  ] as const) {
    it(`hides ${what}`, () => {
      expect(redactUrl(url)).not.to.contain(SECRET);
    });
  }

  it('preserves the parts that distinguish pages', () => {
    for (const url of [
      'https://shop.test/list?page=2&sort=name#reviews',
      'http://127.0.0.1:4444/wd/hub',
      'https://shop.test/compass/passengers?monkey=1',
      'about:blank',
      'not a url',
    ]) {
      expect(redactUrl(url)).to.equal(url);
    }
    expect(redactUrl(`https://ann:${SECRET}@shop.test/list?page=2`)).to.equal('https://***@shop.test/list?page=2');
  });
});

describe('redactText', () => {
  for (const [what, text] of [
    ['the secrets of URLs within it', `GET https://ann:${SECRET}@shop.test/?a=1 failed`],
    ['a bearer token', `Authorization: Bearer ${SECRET}`],
    ['every cookie of a header', `Cookie: a=1; session=${SECRET}; c=${SECRET}`],
    ['a Set-Cookie header', `set-cookie: session=${SECRET}; Path=/; HttpOnly`],
    ['a pair', `password=${SECRET}`],
    ['a pair with spaces', `the api key is api_key = ${SECRET}`],
    ['a quoted value with spaces and commas', `password: "very, very ${SECRET}"`],
    ['JSON', `{"user":"ann","password":"${SECRET}","clientSecret":"a ${SECRET}"}`],
    ['a prefixed name', `MY_APP_TOKEN=${SECRET} and x-api-key: ${SECRET}`],
    ['a form body', `user=ann&passphrase=${SECRET}&pwd=${SECRET}`],
    ['credentials', `credential=${SECRET}; session_key=${SECRET}`],
    ['a bearer token without its header', `the server refused Bearer ${SECRET}, and bearer ${SECRET}`],
    ['basic authentication without its header', `sent Basic ${btoa(`ann:${SECRET}`)}`],
    [
      'a code, a session and a one-time password',
      `code=${SECRET}, sid=${SECRET} session=${SECRET} otp=${SECRET} otp: ${SECRET}`,
    ],
    ['session ids of PHP and Java', `PHPSESSID=${SECRET}; JSESSIONID=${SECRET}`],
    ['a cookie in JSON', `[{"name":"a","value":"${SECRET}","domain":"shop.test","httpOnly":true}]`],
    ['a cookie in JSON within JSON', JSON.stringify(JSON.stringify({ value: SECRET, name: 'a', domain: 'shop.test' }))],
    ['a cookie as Node.js prints it', inspect({ name: 'a', value: SECRET, path: '/', domain: 'shop.test' })],
    ['a session cookie without a domain', `{ "name": "sid", "value": "${SECRET}" }`],
    [
      'headers as Node.js prints them',
      inspect(new Headers({ cookie: `a=${SECRET}`, authorization: `Bearer ${SECRET}` })),
    ],
  ] as const) {
    it(`hides ${what}`, () => {
      expect(redactText(text)).not.to.contain(SECRET);
    });
  }

  for (const [what, token] of [
    [
      'a JWT',
      `${btoa('{"alg":"HS256"}').replace(/=+$/, '')}.${btoa('{"sub":"ann"}').replace(/=+$/, '')}.c2lnbmF0dXJl-_`,
    ],
    ['a key of AWS', 'AKIAIOSFODNN7EXAMPLE'],
    ['a token of GitHub', `ghp_${'a1'.repeat(18)}`],
    ['a token of Slack', 'xoxb-1234567890-abcdef'],
    ['a private key', '-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----'],
  ] as const) {
    it(`hides ${what} by its form`, () => {
      expect(redactText(`it is (${token}).`)).to.equal('it is (***).');
    });
  }

  it('preserves ordinary sentences', () => {
    for (const text of [
      'tab crashed',
      'unexpected alert open: {Alert text : boo}',
      '12 passed, 3 failed',
      'passed: 12, bypassed: 3',
      'The session id is invalid: deleted',
      'POST /url 200 34ms',
      'MONITOR_TOKEN is sent as a Bearer token',
      'the bearer of the ticket, basic authentication, Basic plan',
      'it exited with code=1, code=ECONNRESET, code=invalid-config; session=2',
      'the code: 42, sid: none, session: two',
      'the otp was sent; opt=1',
      '{"name":"Oak table","value":"129.00","currency":"EUR"}',
      "{ name: 'colour', value: 'red', path: '/tables' }",
      'eyJ is how a token begins, AKIA too',
      'https://shop.test/list?page=2&promo=SUMMER24#session',
    ]) {
      expect(redactText(text)).to.equal(text);
    }
  });

  it('takes time in proportion to the length of the text', () => {
    const startedAt = performance.now();
    redactText('a-'.repeat(100_000));
    redactText('a_b:'.repeat(100_000));
    redactText('-eyJ'.repeat(100_000));
    redactText('{"name":"a","value":'.repeat(20_000));
    redactText('{ value name: '.repeat(20_000));
    redactText('Bearer bearer basic '.repeat(20_000));
    redactText('-----BEGIN PRIVATE KEY-----'.repeat(10_000));
    expect(performance.now() - startedAt).to.be.below(2_000);
  });
});

describe('redactValue', () => {
  it('hides secrets at any position and depth', () => {
    const value = {
      password: SECRET,
      headers: [{ Authorization: `Bearer ${SECRET}`, 'Set-Cookie': [`a=${SECRET}`] }],
      url: `https://ann:${SECRET}@shop.test/`,
      nested: { deep: { deeper: { apiKey: { value: SECRET } } } },
      error: new Error(`token=${SECRET}`),
      cookies: [{ name: 'a', value: SECRET }],
      stored: [
        { name: 'a', value: SECRET, domain: 'shop.test' },
        { name: 'sid', value: SECRET },
      ],
      har: [{ name: 'Authorization', value: SECRET }],
      raw: ['Cookie', `a=${SECRET}`, 'Accept', '*/*'],
      entries: [['set-cookie', `a=${SECRET}`]],
      otp: SECRET,
      token: 12345,
    };
    expect(JSON.stringify(redactValue(value))).not.to.contain(SECRET);
    expect(redactValue(value)).to.include({ token: '***' });
  });

  it('preserves names, numbers, counts and times', () => {
    const at = new Date(0);
    const value = { passed: 12, bypass: true, url: 'https://shop.test/', items: [1, null, false], missing: undefined };
    const product = {
      name: 'Oak table',
      value: '129',
      facets: [{ name: 'colour', value: 'red' }],
      code: 'T-12',
      session: 2,
    };
    expect(redactValue(product)).to.deep.equal(product);
    expect(redactValue(value)).to.deep.equal(value);
    expect(redactValue({ at, link: new URL('https://ann:b@shop.test/') })).to.deep.equal({
      at: at.toISOString(),
      link: 'https://***@shop.test/',
    });
  });

  it('handles circular values, and returns only values that JSON can represent', () => {
    const loop: Record<string, unknown> = { name: 'loop', count: 10n };
    loop['self'] = loop;
    expect(JSON.stringify(redactValue(loop)))
      .to.contain('"name":"loop","count":"10"')
      .and.to.contain('…');
  });
});

describe('findSecrets', () => {
  it('returns values with a secret name, and the secret parts of URLs', () => {
    const value = {
      user: 'ann',
      password: 'pass-one',
      nested: { apiKeys: ['key-two', { deep: 'key-three' }], pin_token: 123456 },
      grid: 'https://ann:pass%2Dfour@grid.test/',
      place: 'postgres://ann:pa#five/x@db.test/shop',
      keyOnly: 'https://key-six@grid.test/',
      page: 'https://shop.test/?page=2&access_token=token-seven',
      arguments: ['--proxy-password=pass-eight', '--lang=de'],
      headers: [{ name: 'Authorization', value: 'value-nine' }],
      query: 'code=T12-34',
      passed: 12,
      cookie: null,
      sessionCookie: 'value-10; theme=light; sid=value-11',
      credentials: { username: 'ann', email: 'ann@shop.test', secret: 'value-12' },
      tokenUrl: 'https://login.test/token',
      cookieBanner: 'accept',
      acceptCookies: 'always',
      passwordSelector: '#password',
    };
    expect(new Set(findSecrets(value))).to.deep.equal(
      new Set([
        ...['pass-one', 'key-two', 'key-three', '123456', 'pass%2Dfour', 'pass-four', 'pa#five/x', 'key-six'],
        ...['token-seven', 'pass-eight', 'value-nine'],
        ...['value-10; theme=light; sid=value-11', 'value-11', 'value-12'],
      ]),
    );
  });

  it('returns the parts of a secret address, but not its ordinary words', () => {
    const found = findAddressSecrets(
      'https://hooks.test/services/T0123ABCD/B0123ABCD/abcdefghijklmnopqrstuvwx?v=token-one',
    );
    expect(found).to.include.members(['T0123ABCD', 'B0123ABCD', 'abcdefghijklmnopqrstuvwx', 'token-one']);
    expect(found).not.to.include.members(['services', 'hooks.test']);
  });
});

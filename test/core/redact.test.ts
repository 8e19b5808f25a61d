import { expect } from 'chai';
import { redactText, redactUrl, redactValue } from '../../src/core/redact.ts';

/** Planted in every place where a secret may stand; it must be nowhere in what comes out. */
const SECRET = 'hunter2';

describe('redactUrl', () => {
  for (const [what, url] of [
    ['a password', `https://ann:${SECRET}@shop.test/cart`],
    ['a user name, which may be a key', `https://${SECRET}@shop.test/`],
    ['a password with a slash, which no parser takes', `postgres://ann:${SECRET}/x@db.test/shop`],
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
  ] as const) {
    it(`hides ${what}`, () => {
      expect(redactUrl(url)).not.to.contain(SECRET);
    });
  }

  it('keeps what tells one page from another', () => {
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
    ['URLs in the middle of it', `GET https://ann:${SECRET}@shop.test/?a=1 failed`],
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
  ] as const) {
    it(`hides ${what}`, () => {
      expect(redactText(text)).not.to.contain(SECRET);
    });
  }

  it('keeps ordinary sentences', () => {
    for (const text of [
      'tab crashed',
      'unexpected alert open: {Alert text : boo}',
      '12 passed, 3 failed',
      'passed: 12, bypassed: 3',
      'The session id is invalid: deleted',
      'POST /url 200 34ms',
    ]) {
      expect(redactText(text)).to.equal(text);
    }
  });

  it('takes time in proportion to the length of the text', () => {
    const startedAt = performance.now();
    redactText('a-'.repeat(100_000));
    redactText('a_b:'.repeat(100_000));
    expect(performance.now() - startedAt).to.be.below(2_000);
  });
});

describe('redactValue', () => {
  it('hides secrets wherever they stand, however deep', () => {
    const value = {
      password: SECRET,
      headers: [{ Authorization: `Bearer ${SECRET}`, 'Set-Cookie': [`a=${SECRET}`] }],
      url: `https://ann:${SECRET}@shop.test/`,
      nested: { deep: { deeper: { apiKey: { value: SECRET } } } },
      error: new Error(`token=${SECRET}`),
      token: 12345,
    };
    expect(JSON.stringify(redactValue(value))).not.to.contain(SECRET);
    expect(redactValue(value)).to.include({ token: '***' });
  });

  it('keeps names, numbers, counts and times', () => {
    const at = new Date(0);
    const value = { passed: 12, bypass: true, url: 'https://shop.test/', items: [1, null, false], missing: undefined };
    expect(redactValue(value)).to.deep.equal(value);
    expect(redactValue({ at, link: new URL('https://ann:b@shop.test/') })).to.deep.equal({
      at: at.toISOString(),
      link: 'https://***@shop.test/',
    });
  });

  it('ends on values that contain themselves, and lets nothing through that JSON can not hold', () => {
    const loop: Record<string, unknown> = { name: 'loop', count: 10n };
    loop['self'] = loop;
    expect(JSON.stringify(redactValue(loop)))
      .to.contain('"name":"loop","count":"10"')
      .and.to.contain('…');
  });
});

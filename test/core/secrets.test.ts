import { expect } from 'chai';
import { loadConfig } from '../../src/config/config.ts';
import { redactText, redactUrl, redactValue } from '../../src/core/redact.ts';
import { MIN_SECRET_LENGTH, secrets, SecretValues } from '../../src/core/secrets.ts';

/** A value with the characters that each encoding escapes. */
const SECRET = 'pä"s\\s w&r<d/+';

function valuesOf(...values: string[]): SecretValues {
  const known = new SecretValues();
  known.add(values);
  return known;
}

describe('SecretValues', () => {
  for (const [what, text] of [
    ['without encoding', SECRET],
    ['in a URL', encodeURIComponent(SECRET)],
    ['in a URL, with small letters', encodeURIComponent(SECRET).replace(/%../g, (escape) => escape.toLowerCase())],
    ['in the path of a URL', encodeURI(SECRET)],
    ['in a form', new URLSearchParams({ a: SECRET }).toString().slice(2)],
    ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['in JSON within JSON', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ['in HTML', 'pä&quot;s\\s w&amp;r&lt;d/+'],
    ['in a text of HTML', 'pä"s\\s w&amp;r&lt;d/+'],
    ['in HTML of Go', 'pä&#34;s\\s w&amp;r&lt;d/+'],
    ['in a URL that is a parameter', encodeURIComponent(encodeURIComponent(SECRET))],
    ['in JSON of PHP', 'p\\u00e4\\"s\\\\s w&r<d\\/+'],
    ['in JSON of Python', 'p\\u00e4\\"s\\\\s w&r<d/+'],
    ['in JSON of Go', 'pä\\"s\\\\s w\\u0026r\\u003cd/+'],
  ] as const) {
    it(`masks a value ${what}`, () => {
      expect(valuesOf(SECRET).mask(`a ${text} b ${text}`)).to.equal('a *** b ***');
    });
  }

  it('masks a value within base64 after any text', () => {
    const known = valuesOf('hunter22');
    for (const user of ['', 'a', 'an', 'ann', 'anna']) {
      const encoded = Buffer.from(`${user}:hunter22`).toString('base64');
      const masked = known.mask(`Basic ${encoded}`);
      expect(masked).to.contain('***');
      expect(Buffer.from(masked.replace('Basic ', ''), 'base64').toString()).not.to.contain('unter2');
    }
    const odd = '???>>>ÿÿÿ';
    expect(valuesOf(odd).mask(Buffer.from(odd).toString('base64url'))).to.contain('***');
  });

  it('masks the longer of two values with the same beginning', () => {
    expect(valuesOf('token-1', 'token-12345').mask('token-12345 token-1')).to.equal('*** ***');
  });

  it('masks the lines of a value of several lines', () => {
    expect(valuesOf('first line of a key\nsecond line of a key').mask('> second line of a key')).to.equal('> ***');
  });

  it('ignores values that are too short or contain no secret', () => {
    const short = 'x'.repeat(MIN_SECRET_LENGTH - 1);
    expect(valuesOf(short, '', '***', '      ', '******').mask(`${short} *** and      more`)).to.equal(
      `${short} *** and      more`,
    );
  });

  it('forgets the oldest values if there are too many, but not one that was added again', () => {
    const known = valuesOf('again-and-again', 'only-once');
    for (let number = 0; number < 499; number += 1) {
      known.add([`value-number-${number}`]);
      if (number === 250) known.add(['again-and-again']);
    }
    expect(known.mask('again-and-again only-once value-number-498')).to.equal('*** only-once ***');
  });

  it('accepts long values up to the total limit', () => {
    const values = Array.from({ length: 40 }, (_, index) => `${index}-${'very/long '.repeat(500)}`);
    const known = valuesOf(...values);
    expect(known.mask(`a ${encodeURIComponent(values[39]!)} b ${values[38]!} c`)).to.equal('a *** b *** c');
    // The total limit has been exceeded by then.
    expect(known.mask(values[0]!)).to.equal(values[0]);
  });

  it('takes time in proportion to the length of the text', () => {
    const known = valuesOf(...Array.from({ length: 20 }, (_, index) => `${'a'.repeat(20)}${index}`));
    const before = process.cpuUsage();
    known.mask('a'.repeat(200_000));
    // The time of the processor, because other programs delay this one. A quadratic search takes minutes.
    expect(process.cpuUsage(before).user / 1_000).to.be.below(2_000);
  });
});

describe('The secrets of the process', () => {
  it('are masked in URLs, texts and values', () => {
    const secret = 'only-in-this-test';
    secrets.add([secret]);
    expect(redactUrl(`https://shop.test/${secret}?page=2`)).to.equal('https://shop.test/***?page=2');
    expect(redactText(`The title is ${secret}.`)).to.equal('The title is ***.');
    expect(redactValue({ label: [secret], error: new Error(secret) })).to.deep.equal({
      label: ['***'],
      error: { name: 'Error', message: '***' },
    });
  });

  it('are masked if they come from a setting, even if a run adds many others', () => {
    loadConfig({ environment: { MONITOR_TOKEN: 'token-of-a-setting' } });
    secrets.add(Array.from({ length: 600 }, (_, index) => `password-of-account-${index}`));
    expect(redactText('x token-of-a-setting password-of-account-599 y')).to.equal('x *** *** y');
  });
});

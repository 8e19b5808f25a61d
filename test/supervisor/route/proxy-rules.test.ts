import { expect } from 'chai';

import { toAcceptLanguage } from '../../../src/supervisor/route/accept-language.ts';
import { parsePacAnswer, toProxyRules } from '../../../src/supervisor/route/proxy-rules.ts';

describe('toProxyRules', () => {
  it('does not repeat the password of a proxy that Chromium can’t use', () => {
    const rules = toProxyRules(['--proxy-server=http://ann:secret@proxy.test'], undefined);
    expect(rules.kind).to.equal('unusable');
    expect(JSON.stringify(rules)).to.contain('--proxy-server').and.not.to.contain('secret');
  });

  it('names the setting to use if the browser finds its proxy by itself', () => {
    const rules = toProxyRules(['--proxy-auto-detect'], undefined);
    expect(rules.kind).to.equal('unusable');
    expect(JSON.stringify(rules)).to.contain('BROWSER_PROXY');
  });

  it('uses the last of two switches with the same name', () => {
    const rules = toProxyRules(['--proxy-server=a:1', '--proxy-server=b:2'], undefined);
    expect(rules).to.deep.include({ kind: 'servers', http: [{ kind: 'http', host: 'b', port: 2 }] });
  });

  it('has the default port of each kind of proxy', () => {
    const rules = toProxyRules(['--proxy-server=a,https://b,socks4://c,socks5://[fd00::1]'], {});
    expect(rules).to.deep.include({
      https: [
        { kind: 'http', host: 'a', port: 80 },
        { kind: 'https', host: 'b', port: 443 },
        { kind: 'socks4', host: 'c', port: 1080 },
        { kind: 'socks5', host: '[fd00::1]', port: 1080 },
      ],
    });
  });
});

describe('parsePacAnswer', () => {
  for (const [answer, kinds] of [
    ['DIRECT', ['direct']],
    ['', ['direct']],
    ['PROXY a:1; direct', ['http', 'direct']],
    ['HTTPS a; SOCKS b:2;SOCKS5 c', ['https', 'socks4', 'socks5']],
    ['QUIC a:1; PROXY b:2', ['http']],
  ] as const) {
    it(`reads "${answer}"`, () => {
      expect(parsePacAnswer(answer).map(({ kind }) => kind)).to.deep.equal(kinds);
    });
  }
});

describe('toAcceptLanguage', () => {
  // Measured on Chromium 156 with --accept-lang and the preference intl.accept_languages.
  for (const [languages, header] of [
    ['', undefined],
    ['en-US,en', 'en-US,en;q=0.9'],
    ['de-DE,fr', 'de-DE,de;q=0.9,fr;q=0.8'],
    ['sv-SE,da', 'sv-SE,sv;q=0.9,da;q=0.8'],
  ] as const) {
    it(`makes ${header} of "${languages}"`, () => {
      expect(toAcceptLanguage(languages.split(',').filter(Boolean))).to.equal(header);
    });
  }
});

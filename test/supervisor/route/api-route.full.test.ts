import { expect } from 'chai';

import { SessionSupervisor } from '../../../src/supervisor/supervisor.ts';
import { openProxyStage, type ProxyStage } from './proxy-stage.ts';
import { compare, withEnvironment, type Situation } from './situations.ts';

const hostOf = (url: string) => new URL(url).host;
const PAC = (body: string) => `data:,${encodeURIComponent(`function FindProxyForURL(url, host) { ${body} }`)}`;

describe('supervisor.api and the proxy of the browser', () => {
  let stage: ProxyStage;

  before(async () => (stage = await openProxyStage()));
  after(() => stage[Symbol.asyncDispose]());

  const situations = ({ proxy, socks, httpUrl, httpsUrl }: ProxyStage): readonly Situation[] => {
    const manual = { proxyType: 'manual', httpProxy: proxy, sslProxy: proxy };
    const withProxy = (capability: object) => ({ capabilities: { proxy: capability } });
    const withSwitches = (...switches: string[]) => ({ arguments: switches });
    return [
      { title: 'no proxy', options: {} },
      { title: 'the option proxy: http', options: { proxy: `http://${proxy}` } },
      { title: 'the option proxy: socks5', options: { proxy: `socks5://${socks}` } },
      { title: 'the option proxy: socks4', options: { proxy: `socks4://${socks}` } },
      {
        title: 'the option proxy: pac',
        options: { proxy: `pac+${PAC(`return dnsDomainIs(host, "only-proxy.test") ? "PROXY ${proxy}" : "DIRECT";`)}` },
      },
      { title: 'a capability for http alone', options: withProxy({ proxyType: 'manual', httpProxy: proxy }) },
      { title: 'a capability with noProxy', options: withProxy({ ...manual, noProxy: ['only-proxy.test'] }) },
      {
        title: 'a capability of the type direct, in an environment with a proxy',
        options: withProxy({ proxyType: 'direct' }),
        environment: { http_proxy: `http://${proxy}` },
      },
      {
        title: 'a capability of the type system, in an environment with a proxy',
        options: withProxy({ proxyType: 'system' }),
        environment: { http_proxy: `http://${proxy}`, https_proxy: `http://${proxy}` },
      },
      { title: '--proxy-server', options: withSwitches(`--proxy-server=${proxy}`) },
      {
        title: '--proxy-server with a list whose first can’t be reached',
        options: withSwitches(`--proxy-server=http://127.0.0.1:1,http://${proxy}`),
      },
      {
        title: '--proxy-server by scheme',
        options: withSwitches(`--proxy-server=http=127.0.0.1:1;https=${proxy};socks=${socks}`),
      },
      { title: '--proxy-server with socks alone', options: withSwitches(`--proxy-server=socks=socks5://${socks}`) },
      { title: '--proxy-server with a password', options: withSwitches(`--proxy-server=http://ann:secret@${proxy}`) },
      {
        title: '--proxy-bypass-list with <-loopback>',
        options: withSwitches(`--proxy-server=${proxy}`, '--proxy-bypass-list=<-loopback>'),
      },
      {
        title: '--proxy-bypass-list with a pattern',
        options: withSwitches(
          `--proxy-server=${proxy}`,
          '--proxy-bypass-list=*.only-proxy.test;https://only-proxy.test',
        ),
      },
      {
        title: '--proxy-pac-url with a list whose first can’t be reached',
        options: withSwitches(`--proxy-pac-url=${PAC(`return "PROXY 127.0.0.1:1; SOCKS5 ${socks}; DIRECT";`)}`),
      },
      {
        title: '--proxy-pac-url of a file that fails',
        options: withSwitches(`--proxy-pac-url=${PAC('return nothing;')}`),
      },
      { title: '--proxy-pac-url of no script', options: withSwitches('--proxy-pac-url=data:,no') },
      {
        title: '--host-resolver-rules for the ports of a host',
        options: withSwitches(
          `--host-resolver-rules=MAP only-proxy.test:80 ${hostOf(httpUrl)}, MAP *.test:443 ${hostOf(httpsUrl)}`,
        ),
      },
      {
        title: '--host-resolver-rules that deny all hosts but one',
        options: withSwitches('--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'),
      },
      {
        title: '--host-resolver-rules beside a proxy, which is one of their hosts',
        options: withSwitches(
          '--proxy-server=the-proxy:1',
          `--host-resolver-rules=MAP *.test 127.0.0.1:1, MAP the-proxy ${proxy}`,
        ),
      },
      {
        title: '--host-resolver-rules that deny the proxy',
        options: withSwitches(`--proxy-server=the-proxy:1,${proxy}`, '--host-resolver-rules=MAP the-proxy ~NOTFOUND'),
      },
      {
        title: '--host-resolver-rules beside SOCKS 4, which takes no names',
        options: withSwitches(
          `--proxy-server=socks4://${socks}`,
          '--proxy-bypass-list=<-loopback>',
          '--host-resolver-rules=MAP localhost ~NOTFOUND, MAP sub.localhost 127.0.0.1:1',
        ),
      },
      {
        title: '--no-proxy-server',
        options: withSwitches(`--proxy-server=${proxy}`, '--no-proxy-server'),
      },
      {
        title: 'http_proxy, https_proxy and no_proxy',
        options: {},
        environment: { http_proxy: `http://${proxy}`, https_proxy: proxy, no_proxy: 'sub.only-proxy.test' },
      },
      {
        title: 'ALL_PROXY, with a user and a password that Chromium drops',
        options: {},
        environment: { ALL_PROXY: `http://ann:secret@${proxy}` },
      },
      {
        title: 'auto_proxy',
        options: {},
        environment: { auto_proxy: PAC(`return "PROXY ${proxy}";`) },
      },
      {
        title: 'an environment that a switch overrides',
        options: withSwitches('--proxy-server=direct://'),
        environment: { http_proxy: `http://${proxy}` },
      },
    ];
  };

  /** Constant, so that mocha can name the tests before the stage has its ports. */
  const titles = situations({
    proxy: 'x:1',
    socks: 'x:2',
    httpUrl: 'http://x:3',
    httpsUrl: 'https://x:4',
  } as ProxyStage).map(({ title }) => title);

  for (const title of titles) {
    it(`api takes the same route as the page, and fails if the page fails: ${title}`, async () => {
      const { options, environment = {} } = situations(stage).find((one) => one.title === title)!;
      await using supervisor = await withEnvironment(environment, () =>
        SessionSupervisor.start({ acceptInsecureCerts: true, apiRetries: 0, ...options }),
      );
      const local = new URL(stage.httpUrl).port;
      const { page, api } = await compare(stage, supervisor, [
        'http://only-proxy.test/',
        'http://sub.only-proxy.test/',
        'https://only-proxy.test/',
        stage.httpUrl,
        stage.httpsUrl,
        `http://localhost:${local}/`,
        `http://sub.localhost:${local}/`,
      ]);
      expect(api).to.deep.equal(page);
    });
  }
});

describe('supervisor.api and the certificates and languages of the browser', () => {
  let stage: ProxyStage;

  before(async () => (stage = await openProxyStage()));
  after(() => stage[Symbol.asyncDispose]());

  for (const options of [{}, { acceptInsecureCerts: true }, { arguments: ['--ignore-certificate-errors'] }]) {
    it(`api accepts the certificates that the page accepts: ${JSON.stringify(options)}`, async () => {
      await using supervisor = await SessionSupervisor.start({ ...options, apiRetries: 0 });
      const { page, api } = await compare(stage, supervisor, [stage.httpsUrl]);
      expect(api).to.deep.equal(page);
      expect(page).to.deep.equal({ [stage.httpsUrl]: Object.keys(options).length === 0 ? 'fails' : 'direct' });
    });
  }

  for (const options of [
    {},
    { arguments: ['--lang=de'] },
    { arguments: ['--accept-lang=fr,de-AT,de,en-US'] },
    { capabilities: { 'goog:chromeOptions': { prefs: { intl: { accept_languages: 'sv-SE,da' } } } } },
  ]) {
    it(`api sends the Accept-Language that the page sends: ${JSON.stringify(options)}`, async () => {
      await using supervisor = await SessionSupervisor.start(options);
      stage.takeSeen();
      await supervisor.driver.get(stage.httpUrl);
      await supervisor.api.fetch(stage.httpUrl);
      const [page, api] = stage.takeSeen().headers.map((headers) => headers['accept-language']);
      expect(api).to.be.a('string').and.to.equal(page);
    });
  }
});

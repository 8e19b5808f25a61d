import { expect } from 'chai';

import type { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import type { FaultSite } from 'webdriver-supervisor/testing';
import { useApiStage } from './api-stage.ts';

type Echo = Record<'headers' | 'cookies', Record<string, string>> & Record<'method' | 'body', string>;

describe('supervisor.api: cookies, credentials and the user agent', () => {
  const stage = useApiStage();
  let site: FaultSite;
  let browser: SessionSupervisor;
  let own: string;

  before(() => ({ site, browser, own } = stage));

  const pageCookies = async () =>
    Object.fromEntries((await browser.driver.manage().getCookies()).map(({ name, value }) => [name, value]));

  describe('cookies and user agent', () => {
    it('sends the browser’s cookies, HttpOnly ones included (R104)', async () => {
      await browser.driver.get(`${site.url}/set-cookie`);
      await browser.driver.manage().addCookie({ name: 'plain', value: 'seen by scripts' });
      const { cookies } = await browser.api.json<Echo>(`${site.url}/echo`);
      expect(cookies).to.deep.equal({ session: 'secret', plain: 'seen by scripts' });
    });

    it('sends the same bytes as the page: cookies with non-ASCII characters, and without a name', async () => {
      await browser.driver.executeScript(
        "document.cookie = 'name=Grüße 世界 €'; document.cookie = 'nameless'; document.cookie = 'quoted=\"a b\"';",
      );
      const sent: (string | undefined)[] = [];
      stage.answer = (request, response) => {
        sent.push(request.headers.cookie?.split('; ').sort().join('; '));
        response.setHeader('content-type', 'text/html').end('<title>ok</title>');
      };
      await browser.driver.get(own);
      await browser.api.fetch(own);
      expect(sent[1]).to.be.a('string').and.to.equal(sent[0]);
    });

    it('sends a cookie of 4 KB, and 149 others, as the page does', async () => {
      await browser.driver.executeScript(
        "document.cookie = 'big=' + 'x'.repeat(4_000); for (let i = 0; i < 149; i++) document.cookie = `c${i}=${i}`; return document.cookie",
      );
      const sent: (readonly string[] | undefined)[] = [];
      stage.answer = (request, response) => {
        sent.push(request.headers.cookie?.split('; ').sort());
        response.setHeader('content-type', 'text/html').end('<title>ok</title>');
      };
      await browser.driver.get(own);
      await browser.api.fetch(own);
      expect(sent[1]).to.have.length(150).and.to.deep.equal(sent[0]);
    });

    it('sends the user name and the password in the URL as the page does, but not to another host', async () => {
      const sent: (string | undefined)[] = [];
      stage.answer = ({ url, headers }, response) => {
        sent.push(headers.authorization);
        if (url === '/away') response.writeHead(302, { location: `${site.url}/echo` }).end();
        else if (headers.authorization === undefined)
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        else response.setHeader('content-type', 'text/html').end('<title>in</title>');
      };
      const withPassword = own.replace('//', '//ann:p%40ss%20w%C3%B6rd@');
      await browser.driver.get(withPassword);
      expect(await browser.driver.getTitle()).to.equal('in');
      const { status } = await browser.api.fetch(withPassword);
      expect(status).to.equal(200);
      expect(sent.at(-1)).to.equal(sent.find((header) => header !== undefined));
      const { headers } = await browser.api.json<Echo>(`${withPassword}/away`);
      expect(headers).not.to.have.property('authorization');
    });

    it('sends a cookie that a command has just set, even if other calls are reading the cookies at that moment', async () => {
      for (let round = 0; round < 5; round++) {
        const before = browser.api.json<Echo>(`${site.url}/echo`);
        await browser.driver.manage().addCookie({ name: 'round', value: String(round) });
        const { cookies } = await browser.api.json<Echo>(`${site.url}/echo`);
        expect(cookies).to.include({ round: String(round) });
        await before;
      }
    });

    it('writes Set-Cookie back, so that the page and the next call send it', async () => {
      await browser.api.fetch(`${site.url}/set-cookie`);
      expect(await pageCookies()).to.deep.equal({ session: 'secret' });
      await browser.driver.get(`${site.url}/echo`);
      expect(await browser.driver.getPageSource()).to.contain('secret');
      expect((await browser.api.json<Echo>(`${site.url}/echo`)).cookies).to.deep.equal({ session: 'secret' });
    });

    it('writes back the cookies of a redirect before it follows the redirect', async () => {
      const { cookies } = await browser.api.json<Echo>(`${site.url}/redirect-set-cookie`);
      expect(cookies).to.deep.equal({ session: 'redirected' });
      expect(await pageCookies()).to.deep.equal({ session: 'redirected' });
    });

    const setCookie = async (...headers: string[]) => {
      stage.answer = (_request, response) => response.setHeader('set-cookie', headers).end();
      const { status } = await browser.api.fetch(`${own}/`);
      expect(status).to.equal(200);
      await browser.driver.get(`${own}/`);
      const cookies = await browser.driver.manage().getCookies();
      return cookies.map(({ name, value, path, httpOnly, sameSite, expiry }) => ({
        name,
        value,
        path,
        httpOnly,
        sameSite,
        expiry: typeof expiry === 'number' ? Math.round(expiry - Date.now() / 1_000) : expiry,
      }));
    };

    it('preserves the attributes of a cookie: path, HttpOnly, SameSite and expiry', async () => {
      const [cookie] = await setCookie('a=1; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600');
      expect(cookie).to.deep.include({ name: 'a', value: '1', path: '/', httpOnly: true, sameSite: 'Strict' });
      expect(cookie!.expiry).to.be.closeTo(3_600, 5);
    });

    for (const [what, header] of Object.entries({
      'Max-Age=0': 'a=; Max-Age=0; Path=/',
      'a negative Max-Age': 'a=gone; Max-Age=-1; Path=/',
      'an Expires in the past': 'a=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/',
    })) {
      it(`deletes a cookie by ${what}, and no other`, async () => {
        expect(await setCookie('a=1; Path=/', 'b=2; Path=/')).to.have.length(2);
        expect((await setCookie(header)).map(({ name }) => name)).to.deep.equal(['b']);
      });
    }

    it('stores several cookies of one answer, with commas in their dates', async () => {
      const expires = new Date(Date.now() + 3_600_000).toUTCString();
      const cookies = await setCookie(`a=1; Expires=${expires}; Path=/`, 'b=2; Path=/', 'c=3; Path=/');
      expect(cookies.map(({ name }) => name).sort()).to.deep.equal(['a', 'b', 'c']);
    });

    for (const [what, header] of Object.entries({
      'another site’s': 'a=1; Domain=example.com',
      'a __Host- cookie without Secure': '__Host-a=1; Path=/',
      'a SameSite=None cookie without Secure': 'a=1; SameSite=None',
      'an overlong one': `a=${'x'.repeat(5_000)}`,
      'nothing but attributes': '; Path=/',
    })) {
      it(`ignores a cookie that browsers reject, and the call succeeds: ${what}`, async () => {
        // Node's own server refuses some of these headers, but real servers send them.
        stage.answer = ({ socket }) =>
          socket.end(`HTTP/1.1 200 OK\r\nset-cookie: ${header}\r\nset-cookie: fine=1\r\ncontent-length: 0\r\n\r\n`);
        const { status } = await browser.api.fetch(`${own}/`);
        expect(status).to.equal(200);
        expect((await browser.api.fetch(`${own}/`)).status).to.equal(200);
      });
    }

    it('sends the browser’s user agent, unless the caller sets another one', async () => {
      const userAgent = await browser.driver.executeScript('return navigator.userAgent');
      const { headers } = await browser.api.json<Echo>(`${site.url}/echo`, { headers: { 'X-Own': 'yes' } });
      expect(headers).to.include({ 'user-agent': userAgent, 'x-own': 'yes' });
      const own_ = await browser.api.json<Echo>(`${site.url}/echo`, { headers: { 'User-Agent': 'mine' } });
      expect(own_.headers).to.include({ 'user-agent': 'mine' });
    });
  });
});

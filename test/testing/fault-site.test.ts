import { expect } from 'chai';
import { openFaultSite, type FaultSite } from '../../src/testing/fault-site.ts';
import { startRealDriver, type RealDriver } from '../support/real-driver.ts';
import { codeOf, isPending, send } from '../support/send.ts';

describe('openFaultSite: APIs', () => {
  it('cuts JSON within its body, resets, and never answers', async () => {
    const site = await openFaultSite();
    expect(await send(`${site.url}/cut`)).to.include({ status: 200, error: 'ECONNRESET' });
    expect(await codeOf(send(`${site.url}/reset`))).to.equal('ECONNRESET');
    const never = send(`${site.url}/never`);
    const code = codeOf(never);
    await site.waitForRequest('/never');
    expect(await isPending(never)).to.equal(true);
    await site.close();
    expect(await code).to.equal('ECONNRESET');
  });

  it('answers with the requested status and Retry-After', async () => {
    await using site = await openFaultSite();
    const { status, headers, json } = await send(`${site.url}/status/429?retryAfter=2`);
    expect([status, headers['retry-after'], json.status]).to.deep.equal([429, '2', 429]);
    for (const wrong of ['99', '600', 'x']) expect((await send(`${site.url}/status/${wrong}`)).status).to.equal(400);
    expect((await send(`${site.url}/nowhere`)).status).to.equal(404);
  });

  it('fails the given number of times for each key, then works', async () => {
    await using site = await openFaultSite();
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await send(`${site.url}/flaky/a?failures=2&status=502`)).status);
    expect(statuses).to.deep.equal([502, 502, 200, 200]);
    expect((await send(`${site.url}/flaky/b`)).status).to.equal(503);
    expect((await send(`${site.url}/flaky/b`)).json).to.deep.equal({ key: 'b', failed: 1 });
  });

  it('echoes the request, with the cookies in a separate field', async () => {
    await using site = await openFaultSite();
    const { json } = await send(`${site.url}/echo?x`, {
      method: 'PUT',
      body: { a: 1 },
      headers: { cookie: 'a=1; b=x=y' },
    });
    expect(json).to.deep.include({ method: 'PUT', path: '/echo?x', body: '{"a":1}', cookies: { a: '1', b: 'x=y' } });
  });

  it('sets HttpOnly cookies, also on a redirect', async () => {
    await using site = await openFaultSite();
    expect((await send(`${site.url}/set-cookie`)).headers['set-cookie']).to.deep.equal([
      'session=secret; Path=/; HttpOnly',
    ]);
    const redirect = await send(`${site.url}/redirect-set-cookie`);
    expect([redirect.status, redirect.headers['location']]).to.deep.equal([302, '/echo']);
    expect(redirect.headers['set-cookie']).to.deep.equal(['session=redirected; Path=/; HttpOnly']);
  });

  it('counts requests for each path, and holds them until released', async () => {
    await using site = await openFaultSite();
    const hold = site.hold('/json');
    const answer = send(`${site.url}/json?n=3`);
    await hold.caught;
    expect(await isPending(answer)).to.equal(true);
    hold.release();
    expect((await answer).json.items).to.have.length(3);
    await send(`${site.url}/json`);
    expect([site.requestCount('/json'), site.requestCount('/ok')]).to.deep.equal([2, 0]);
  });

  it('ends a slow answer when it closes and leaves no timer', async () => {
    const site = await openFaultSite();
    expect((await send(`${site.url}/slow?ms=1`)).text).to.contain('<title>slow</title>');
    const code = codeOf(send(`${site.url}/slow?ms=600000`));
    await site.waitForRequest('/slow', { count: 2 });
    await site.close();
    expect(await code).to.equal('ECONNRESET');
  });
});

describe('openFaultSite: pages in a real browser', () => {
  let driver: RealDriver;
  let site: FaultSite;
  let session: string;

  before(async () => {
    site = await openFaultSite();
    driver = await startRealDriver();
    session = (await driver.openSession()).url;
  });

  after(async () => {
    await driver[Symbol.asyncDispose]();
    await site.close();
  });

  const command = async (path: string, body?: unknown) =>
    (await send(session + path, body === undefined ? {} : { method: 'POST', body })).json.value;
  const open = (path: string) => command('/url', { url: site.url + path });

  it('shows a plain page and a page with a script that throws', async () => {
    await open('/ok');
    expect(await command('/title')).to.equal('ok');
    await open('/script-error');
    expect(await command('/title')).to.equal('script-error');
  });

  it('opens an alert after load', async () => {
    await open('/alert');
    const text = await command('/execute/async', { script: 'setTimeout(arguments[0], 20000)', args: [] });
    expect(text === null || text.error === 'unexpected alert open', JSON.stringify(text)).to.equal(true);
  });

  it('sends the HttpOnly cookie of a redirect back', async () => {
    await open('/redirect-set-cookie');
    expect(await command('/execute/sync', { script: 'return document.cookie', args: [] })).to.equal('');
    expect(await command('/cookie/session')).to.include({ value: 'redirected', httpOnly: true });
  });

  it('closes a window that a script opened', async () => {
    await open('/ok');
    const handles = await command('/window/handles');
    await command('/execute/async', {
      script: `const [url, done] = arguments; const opened = window.open(url);
        const timer = setInterval(() => { if (opened.closed) { clearInterval(timer); done(); } }, 10);`,
      args: [`${site.url}/close`],
    });
    expect(site.requestCount('/close')).to.equal(1);
    expect(await command('/window/handles')).to.deep.equal(handles);
  });

  it('loads /loop, which starts to loop a little later', async () => {
    expect(await open('/loop')).to.equal(null);
    await site.waitForRequest('/loop-begun');
    const controller = new AbortController();
    const title = codeOf(send(`${session}/title`, { signal: controller.signal }));
    for (let i = 0; i < 100; i++) await send(`${driver.url}/status`);
    expect(await isPending(title)).to.equal(true);
    controller.abort();
    await title;
  });

  it('never finishes loading /loop-inline', async () => {
    await using other = await startRealDriver();
    const { url } = await other.openSession();
    await send(`${url}/timeouts`, { method: 'POST', body: { pageLoad: 500 } });
    const { json } = await send(`${url}/url`, { method: 'POST', body: { url: `${site.url}/loop-inline` } });
    expect(json.value.error).to.equal('timeout');
    expect((await site.waitForRequest('/loop-begun', { count: 2 })).method).to.equal('POST');
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import type { DemoShop, ListingItem, ProductDetails } from '../../scripts/demo-shop/demo-shop.ts';

const QUICK = { minDelayMs: 0, maxDelayMs: 0, tooManyRequestsEvery: 0 };

describe('demo shop: access', () => {
  it('answers 401 to every API call without the session cookie', async () => {
    await using shop = await openDemoShop(QUICK);
    const paths = ['/api/listing?page=1', '/api/details/KL-0001', '/api/badges/KL-0001'];
    const answers = await Promise.all(paths.map((path) => fetch(shop.url + path)));
    expect(answers.map((answer) => answer.status)).to.deep.equal([401, 401, 401]);
    expect(shop.refusals.unauthorized).to.equal(3);
  });

  it('answers 401 to a cookie that it never sent', async () => {
    await using shop = await openDemoShop(QUICK);
    expect((await ask(shop, '/api/details/KL-0001', 'shop_session=made-up')).status).to.equal(401);
  });

  it('sends an HttpOnly cookie with the welcome page, once', async () => {
    await using shop = await openDemoShop(QUICK);
    const welcome = await fetch(shop.url);
    expect(welcome.headers.get('set-cookie')).to.match(/^shop_session=\w+; Path=\/; HttpOnly; SameSite=Lax$/);
    expect((await ask(shop, '/', toCookie(welcome))).headers.get('set-cookie')).to.equal(null);
  });

  it('redirects a visitor without a session from the catalogue to the welcome page', async () => {
    await using shop = await openDemoShop(QUICK);
    const answer = await fetch(`${shop.url}/catalog?page=3`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).to.deep.equal([303, '/']);
  });
});

describe('demo shop: products', () => {
  it('lists 500 unique products over 25 pages, in catalogue order', async () => {
    await using shop = await openDemoShop(QUICK);
    const cookie = await enter(shop);
    const pages = Array.from({ length: 25 }, async (_, index) => {
      const { items } = await askJson<{ items: ListingItem[] }>(shop, `/api/listing?page=${index + 1}`, cookie);
      return items.map((item) => item.sku);
    });
    const skus = (await Promise.all(pages)).flat();
    expect(new Set(skus)).to.have.property('size', 500);
    expect(skus).to.deep.equal(shop.expectedRecords().map((record) => record.sku));
    expect(shop.requests.listing).to.equal(25);
  });

  it('returns details and badges that equal the expected records', async () => {
    await using shop = await openDemoShop(QUICK);
    const cookie = await enter(shop);
    const answers = await Promise.all(
      shop.expectedRecords().map(async ({ sku }) => {
        const [details, badge] = await Promise.all([
          askJson<ProductDetails>(shop, `/api/details/${sku}`, cookie),
          askJson<{ badge: string }>(shop, `/api/badges/${sku}`, cookie),
        ]);
        return { ...details, ...badge };
      }),
    );
    expect(answers).to.deep.equal(shop.expectedRecords());
  });

  it('has the same products for the same seed, and others for another seed', async () => {
    await using one = await openDemoShop(QUICK);
    await using same = await openDemoShop(QUICK);
    await using other = await openDemoShop({ ...QUICK, seed: 7 });
    expect(same.expectedRecords()).to.deep.equal(one.expectedRecords());
    expect(other.expectedRecords()).not.to.deep.equal(one.expectedRecords());
  });

  it('has names and descriptions with characters that a CSV export must quote or encode', async () => {
    await using shop = await openDemoShop(QUICK);
    const text = shop.expectedRecords().map(({ name, description }) => name + description);
    for (const hard of [',', '"', ';', '\n', 'ö', '\u{1F33F}']) {
      expect(text.filter((line) => line.includes(hard)).length, JSON.stringify(hard)).to.be.above(10);
    }
  });

  it('answers 404 for an unknown sku and for a page that is not there', async () => {
    await using shop = await openDemoShop({ ...QUICK, tooManyRequestsEvery: 1 });
    const cookie = await enter(shop);
    const paths = [
      '/api/details/KL-9999',
      '/api/badges/nope',
      '/api/listing?page=26',
      '/api/listing?page=x',
      '/catalog?page=0',
    ];
    const answers = await Promise.all(paths.map((path) => ask(shop, path, cookie)));
    expect(answers.map((answer) => answer.status)).to.deep.equal(paths.map(() => 404));
  });
});

describe('demo shop: pages', () => {
  it('have exactly one broken link, that of the clearance', async () => {
    await using shop = await openDemoShop({ ...QUICK, pages: 3 });
    const cookie = await enter(shop);
    const statuses = new Map<string, number>();
    const rest = ['/'];
    for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
      if (statuses.has(path)) continue;
      const answer = await ask(shop, path, cookie);
      statuses.set(path, answer.status);
      for (const [, link] of (await answer.text()).matchAll(/(?:href|src)="([^"]+)"/g)) rest.push(link ?? '');
    }
    expect([...statuses].filter(([, status]) => status !== 200)).to.deep.equal([['/clearance', 404]]);
    expect([...statuses.keys()]).to.include.members(['/catalog?page=3', '/about', '/shipping', '/contact']);
  });

  it('leave the grid of a listing page empty for the script', async () => {
    await using shop = await openDemoShop(QUICK);
    const html = await (await ask(shop, '/catalog?page=2', await enter(shop))).text();
    expect(html).to.include('data-ready="false"').and.to.include('page 2 of 25').and.not.to.include('KL-');
  });

  it('include a health check that answers ok', async () => {
    await using shop = await openDemoShop(QUICK);
    expect(await (await fetch(`${shop.url}/healthz`)).json()).to.deep.equal({ status: 'ok' });
  });
});

describe('demo shop: too many requests', () => {
  it('sends Retry-After with a 429, and the retry succeeds', async () => {
    await using shop = await openDemoShop({ ...QUICK, tooManyRequestsEvery: 1 });
    const cookie = await enter(shop);
    for (const { sku } of shop.expectedRecords().slice(0, 20)) {
      const refused = await ask(shop, `/api/details/${sku}`, cookie);
      expect(refused.status).to.equal(429);
      expect(refused.headers.get('retry-after')).to.be.oneOf(['0', '1']);
      expect((await ask(shop, `/api/details/${sku}`, cookie)).status).to.equal(200);
    }
    expect(shop.refusals.tooManyRequests).to.equal(20);
  });

  it('refuses about one call in sixty, the same ones each time', async () => {
    const skus = await refusedSkus();
    expect(skus.length).to.be.within(4, 16);
    expect(await refusedSkus()).to.deep.equal(skus);
  });
});

describe('demo shop: close', () => {
  it('ends every connection, answered or not, and may be called twice', async () => {
    const shop = await openDemoShop({ ...QUICK, minDelayMs: 60_000, maxDelayMs: 60_000 });
    const silent = connect(Number(new URL(shop.url).port), '127.0.0.1');
    await once(silent, 'connect');
    const cookie = await enter(shop);
    const unanswered = ask(shop, '/api/details/KL-0001', cookie).catch((error: unknown) => error);
    while (shop.requests.details === 0) await setImmediate();
    const silentEnded = once(silent.resume(), 'close');
    await Promise.all([shop.close(), shop.close()]);
    await silentEnded;
    expect(await unanswered).to.be.instanceOf(TypeError);
    expect(await fetch(shop.url).catch((error: unknown) => error)).to.be.instanceOf(TypeError);
  });
});

async function refusedSkus(): Promise<string[]> {
  await using shop = await openDemoShop({ ...QUICK, tooManyRequestsEvery: 60 });
  const cookie = await enter(shop);
  const skus: string[] = [];
  for (const { sku } of shop.expectedRecords()) {
    if ((await ask(shop, `/api/details/${sku}`, cookie)).status === 429) skus.push(sku);
  }
  return skus;
}

async function enter(shop: DemoShop): Promise<string> {
  return toCookie(await fetch(shop.url));
}

function toCookie(answer: Response): string {
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

function ask(shop: DemoShop, path: string, cookie: string): Promise<Response> {
  return fetch(shop.url + path, { headers: { cookie } });
}

async function askJson<T>(shop: DemoShop, path: string, cookie: string): Promise<T> {
  // The tests compare whole answers, so their shape needs no check here.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await (await ask(shop, path, cookie)).json()) as T;
}

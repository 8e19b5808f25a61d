import { expect } from 'chai';

import {
  EMPTY_STATE,
  diffStates,
  isEmptyPatch,
  patchState,
  type BrowserState,
  type StateCookie,
} from '../../src/driver/state/browser-state.ts';
import { fromStorageState, parseStorageState, toStorageState } from '../../src/driver/state/storage-state.ts';

const COOKIE: StateCookie = {
  name: 'id',
  value: 'a',
  domain: 'shop.test',
  path: '/',
  expires: -1,
  httpOnly: true,
  secure: false,
  sameSite: 'Lax',
};

/** A state as Playwright 1.64 writes it. */
const PLAYWRIGHT = {
  cookies: [
    { ...COOKIE, domain: '.shop.test', expires: 4_102_444_800.5, sameSite: 'None', secure: true },
    { ...COOKIE, name: 'part', partitionKey: 'https://top.test', _crHasCrossSiteAncestor: true },
  ],
  origins: [{ origin: 'https://shop.test', localStorage: [{ name: 'token', value: 't' }] }],
};

const stateOf = (change: Partial<BrowserState>): BrowserState => ({ ...EMPTY_STATE, ...change });
const storage = (local: Record<string, string>, session: Record<string, string> = {}) => ({
  local: new Map(Object.entries(local)),
  session: new Map(Object.entries(session)),
});

describe('Files of browser state', () => {
  it('of Playwright are read and written without changes', () => {
    const state = fromStorageState(PLAYWRIGHT, 'state.json');
    expect(state.cookies[1]?.partitionKey).to.deep.equal({
      topLevelSite: 'https://top.test',
      hasCrossSiteAncestor: true,
    });
    const [origin] = PLAYWRIGHT.origins;
    expect(toStorageState(state)).to.deep.equal({ ...PLAYWRIGHT, origins: [{ ...origin, sessionStorage: [] }] });
  });

  it('contain session storage in a field that Playwright ignores', () => {
    const origins = new Map([['https://shop.test', storage({}, { tab: '1' })]]);
    const written = toStorageState(stateOf({ origins }));
    expect(written.origins[0]?.sessionStorage).to.deep.equal([{ name: 'tab', value: '1' }]);
    expect(fromStorageState(written, 'x').origins).to.deep.equal(origins);
  });

  it('do not contain expired cookies', () => {
    const state = fromStorageState({ cookies: [{ ...COOKIE, expires: 1 }], origins: [] }, 'state.json');
    expect(state.cookies).to.deep.equal([]);
  });

  for (const [what, text, words] of [
    ['is not JSON', '{', /state\.json is not a file of browser state: it is not JSON/],
    ['is a list', '[]', /state\.json is not a file of browser state: it /],
    ['has a cookie without a domain', '{"cookies":[{"name":"a","value":"b"}]}', /cookies\.0\.domain/],
    ['has an origin that is not a URL', '{"origins":[{"origin":"shop"}]}', /origins\.0\.origin/],
  ] as const) {
    it(`are refused with the position of the mistake if one ${what}`, () => {
      expect(() => parseStorageState(text, 'state.json')).to.throw(words);
    });
  }
});

describe('The difference between two states', () => {
  it('contains the added, changed and removed entries', () => {
    const before = stateOf({
      cookies: [COOKIE, { ...COOKIE, name: 'gone' }],
      origins: new Map([['https://a.test', storage({ same: '1', gone: '1' })]]),
    });
    const after = stateOf({
      cookies: [
        { ...COOKIE, value: 'b' },
        { ...COOKIE, name: 'new' },
      ],
      origins: new Map([
        ['https://a.test', storage({ same: '1', new: '2' })],
        ['https://b.test', storage({}, { tab: '1' })],
      ]),
    });
    const patch = diffStates(before, after);
    expect(patch.cookies.map(({ name, value }) => `${name}=${value}`)).to.deep.equal(['id=b', 'new=a']);
    expect(patch.removedCookies.map(({ name }) => name)).to.deep.equal(['gone']);
    expect([...(patch.origins.get('https://a.test')?.local ?? [])]).to.deep.equal([
      ['new', '2'],
      ['gone', null],
    ]);
    expect(patchState(before, patch).origins).to.deep.equal(after.origins);
    expect(patchState(before, patch).cookies).to.have.deep.members([...after.cookies]);
  });

  it('is empty if only the expiry of a cookie was extended', () => {
    const before = stateOf({ cookies: [{ ...COOKIE, expires: 4_000_000_000 }] });
    const after = stateOf({ cookies: [{ ...COOKIE, expires: 4_000_000_600 }] });
    expect(isEmptyPatch(diffStates(before, after))).to.equal(true);
  });

  it('preserves values of the new session that the steps did not change', () => {
    const base = stateOf({ cookies: [COOKIE] });
    const last = stateOf({ cookies: [COOKIE, { ...COOKIE, name: 'cart', value: '3' }] });
    const next = stateOf({ cookies: [{ ...COOKIE, value: 'login of the new session' }] });
    const merged = patchState(next, diffStates(base, last));
    expect(merged.cookies.map(({ name, value }) => `${name}=${value}`)).to.deep.equal([
      'id=login of the new session',
      'cart=3',
    ]);
  });
});

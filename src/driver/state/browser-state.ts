/**
 * The state of a browser session that later sessions can continue with: cookies, storage, the page and the window. States are immutable
 * values that can be compared and merged. Nothing in this file communicates with a browser.
 */

/** A cookie as in Chromium's `Storage` domain, with the fields that are needed to set it again. */
export interface StateCookie {
  readonly name: string;
  readonly value: string;
  /** Begins with a dot if subdomains get the cookie too. */
  readonly domain: string;
  readonly path: string;
  /** Seconds since 1970; -1 for a session cookie. */
  readonly expires: number;
  readonly httpOnly: boolean;
  readonly secure: boolean;
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
  readonly partitionKey?: { readonly topLevelSite: string; readonly hasCrossSiteAncestor: boolean };
}

/** Key -> value. */
export type StorageItems = ReadonlyMap<string, string>;

export interface OriginStorage {
  readonly local: StorageItems;
  readonly session: StorageItems;
}

/**
 * The reason why a page can't be opened again in the same state: it answered a POST (`post`), the driver was in a frame of it (`frame`), a
 * script left something in its memory (`script`), or its URL can't be loaded (`unloadable`).
 */
export type PageObstacle = 'post' | 'frame' | 'script' | 'unloadable';

export interface PageState {
  readonly url: string;
  readonly obstacle: PageObstacle | null;
  /**
   * A hash of the page's visible text and form values if commands may have changed the page since it was loaded, otherwise null. After the
   * page was opened again, its hash must be equal.
   */
  readonly fingerprint: string | null;
  /** The number of open windows. Only the current window is opened again. */
  readonly windows: number;
}

export interface WindowSize {
  readonly width: number;
  readonly height: number;
}

/** The time limits of a session in milliseconds (W3C WebDriver, section 8.5); null means no limit. */
export interface SessionTimeouts {
  readonly implicit: number;
  readonly pageLoad: number | null;
  readonly script: number | null;
}

/** A command of Chromium's DevTools protocol that the user's code sent and that affects every later page. */
export interface BrowserOverride {
  /** The command's name, such as `Emulation.setTimezoneOverride`. */
  readonly cmd: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface BrowserState {
  readonly cookies: readonly StateCookie[];
  /** The storage by origin, such as `https://example.com`. */
  readonly origins: ReadonlyMap<string, OriginStorage>;
  /** The current page; null if the window shows no page of a site. */
  readonly page: PageState | null;
  /** The size of the window; null if no command changed it. */
  readonly windowSize: WindowSize | null;
  /** The time limits; null if no command changed them. */
  readonly timeouts: SessionTimeouts | null;
  /** The overrides in the order in which they were sent; a later command of the same kind replaces an earlier one. */
  readonly overrides: readonly BrowserOverride[];
}

export const EMPTY_STATE: BrowserState = {
  cookies: [],
  origins: new Map(),
  page: null,
  windowSize: null,
  timeouts: null,
  overrides: [],
};

/** Key -> new value; null removes the item. */
type StoragePatch = ReadonlyMap<string, string | null>;

/** The difference between two states. */
export interface StatePatch {
  readonly cookies: readonly StateCookie[];
  readonly removedCookies: readonly StateCookie[];
  readonly origins: ReadonlyMap<string, { readonly local: StoragePatch; readonly session: StoragePatch }>;
  readonly windowSize: WindowSize | null;
  readonly timeouts: SessionTimeouts | null;
  readonly overrides: readonly BrowserOverride[];
}

/** The parts of a state to restore. */
export interface RestoreParts {
  /** @default true */
  readonly cookies?: boolean;
  /** Local and session storage. @default true */
  readonly storage?: boolean;
  /**
   * The page at the end of the last step, the size of the window, the session's timeouts, and overrides by DevTools commands. @default true
   */
  readonly page?: boolean;
}

const NO_ITEMS: StorageItems = new Map();

/** Returns the changes from `before` to `after`. A cookie that differs only in its expiry time counts as unchanged. */
export function diffStates(before: BrowserState, after: BrowserState): StatePatch {
  const known = new Map(before.cookies.map((cookie) => [cookieName(cookie), cookie]));
  const remaining = new Set(after.cookies.map(cookieName));
  const origins = new Map<string, { local: StoragePatch; session: StoragePatch }>();
  for (const origin of new Set([...before.origins.keys(), ...after.origins.keys()])) {
    const from = before.origins.get(origin);
    const to = after.origins.get(origin);
    if (from === to) continue;
    const local = diffItems(from?.local, to?.local);
    const session = diffItems(from?.session, to?.session);
    if (local.size + session.size > 0) origins.set(origin, { local, session });
  }
  return {
    cookies: after.cookies.filter((cookie) => !isSameCookie(known.get(cookieName(cookie)), cookie)),
    removedCookies: before.cookies.filter((cookie) => !remaining.has(cookieName(cookie))),
    origins,
    windowSize: isSameSize(before.windowSize, after.windowSize) ? null : after.windowSize,
    timeouts: isSameTimeouts(before.timeouts, after.timeouts) ? null : after.timeouts,
    overrides: diffOverrides(before.overrides, after.overrides),
  };
}

/** Returns `state` with the changes of `patch`. */
export function patchState(state: BrowserState, patch: StatePatch): BrowserState {
  const changed = new Set([...patch.cookies, ...patch.removedCookies].map(cookieName));
  const origins = new Map(state.origins);
  for (const [origin, { local, session }] of patch.origins) {
    const before = origins.get(origin);
    origins.set(origin, { local: patchItems(before?.local, local), session: patchItems(before?.session, session) });
  }
  return {
    cookies: [...state.cookies.filter((cookie) => !changed.has(cookieName(cookie))), ...patch.cookies],
    origins,
    page: state.page,
    windowSize: patch.windowSize ?? state.windowSize,
    timeouts: patch.timeouts ?? state.timeouts,
    overrides: joinOverrides(state.overrides, patch.overrides),
  };
}

/** Returns a patch with the effect of `first` followed by `second`. */
export function joinPatches(first: StatePatch, second: StatePatch): StatePatch {
  const changed = new Set([...second.cookies, ...second.removedCookies].map(cookieName));
  const isLeft = (cookie: StateCookie) => !changed.has(cookieName(cookie));
  const origins = new Map(first.origins);
  for (const [origin, { local, session }] of second.origins) {
    const before = origins.get(origin);
    origins.set(origin, {
      local: new Map([...(before?.local ?? []), ...local]),
      session: new Map([...(before?.session ?? []), ...session]),
    });
  }
  return {
    cookies: [...first.cookies.filter(isLeft), ...second.cookies],
    removedCookies: [...first.removedCookies.filter(isLeft), ...second.removedCookies],
    origins,
    windowSize: second.windowSize ?? first.windowSize,
    timeouts: second.timeouts ?? first.timeouts,
    overrides: joinOverrides(first.overrides, second.overrides),
  };
}

export function isEmptyPatch({
  cookies,
  removedCookies,
  origins,
  windowSize,
  timeouts,
  overrides,
}: StatePatch): boolean {
  const size = cookies.length + removedCookies.length + origins.size + overrides.length;
  return size === 0 && windowSize === null && timeouts === null;
}

/** Returns `first` followed by `second`, without the overrides of `first` that `second` replaces. */
export function joinOverrides(
  first: readonly BrowserOverride[],
  second: readonly BrowserOverride[],
): readonly BrowserOverride[] {
  if (second.length === 0) return first;
  const replaced = new Set(second.map(overrideKind));
  return [...first.filter((override) => !replaced.has(overrideKind(override))), ...second];
}

function diffOverrides(before: readonly BrowserOverride[], after: readonly BrowserOverride[]): BrowserOverride[] {
  if (before === after) return [];
  const known = new Set(before.map((override) => JSON.stringify(override)));
  return after.filter((override) => !known.has(JSON.stringify(override)));
}

/**
 * Returns a key that is equal for overrides that replace each other. Scripts for new documents accumulate; all other overrides are
 * settings.
 */
function overrideKind({ cmd, params }: BrowserOverride): string {
  return cmd.startsWith('Page.addScript') ? JSON.stringify([cmd, params]) : cmd;
}

/** Returns the patch without the parts that must not be restored. */
export function selectParts(
  patch: StatePatch,
  { cookies = true, storage = true, page = true }: RestoreParts,
): StatePatch {
  return {
    cookies: cookies ? patch.cookies : [],
    removedCookies: cookies ? patch.removedCookies : [],
    origins: storage ? patch.origins : new Map(),
    windowSize: page ? patch.windowSize : null,
    timeouts: page ? patch.timeouts : null,
    overrides: page ? patch.overrides : [],
  };
}

/** Returns the identity of a cookie (RFC 6265, section 5.3; the partition is from CHIPS). */
function cookieName({ name, domain, path, partitionKey }: StateCookie): string {
  return JSON.stringify([name, domain, path, partitionKey?.topLevelSite, partitionKey?.hasCrossSiteAncestor]);
}

/** Compares two cookies without their expiry times, because many sites extend them with each answer. */
function isSameCookie(one: StateCookie | undefined, other: StateCookie): boolean {
  return (
    one !== undefined &&
    one.value === other.value &&
    one.httpOnly === other.httpOnly &&
    one.secure === other.secure &&
    one.sameSite === other.sameSite
  );
}

function isSameSize(one: WindowSize | null, other: WindowSize | null): boolean {
  return one?.width === other?.width && one?.height === other?.height;
}

function isSameTimeouts(one: SessionTimeouts | null, other: SessionTimeouts | null): boolean {
  return one?.implicit === other?.implicit && one?.pageLoad === other?.pageLoad && one?.script === other?.script;
}

function diffItems(before: StorageItems = NO_ITEMS, after: StorageItems = NO_ITEMS): StoragePatch {
  const patch = new Map<string, string | null>();
  if (before === after) return patch;
  for (const [key, value] of after) if (before.get(key) !== value) patch.set(key, value);
  for (const key of before.keys()) if (!after.has(key)) patch.set(key, null);
  return patch;
}

function patchItems(items: StorageItems = NO_ITEMS, patch: StoragePatch): StorageItems {
  const patched = new Map(items);
  for (const [key, value] of patch) {
    if (value === null) patched.delete(key);
    else patched.set(key, value);
  }
  return patched;
}

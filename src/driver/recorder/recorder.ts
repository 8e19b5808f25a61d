/**
 * The recorder of a session: it remembers the last 20 s in memory, because nothing can be asked after a death. Its rules:
 * - It only listens. It is not in the way of a command, a death or a quit, and a failure of its own changes nothing.
 * - Pages can't notice it: it enables no DevTools domain that runs code of pages (`Runtime`, `Debugger`), and changes no page.
 * - Its memory is limited to 4 MB per session.
 * - A recording contains no secret: its texts are redacted, and pages that show a secret are not pictured.
 */
import type { Recording } from '../../model/recording.ts';
import { redactText, redactUrl } from '../../core/redact.ts';
import type { CommandEntry, CommandLog } from '../command-log.ts';
import type { DevTools, DevToolsEvent } from '../devtools.ts';
import { PagePictures } from './page-pictures.ts';
import { GroupUsage, type UsageSample } from './process-usage.ts';
import { Ring, type Timed } from './ring.ts';

const RECORDED_MS = 20_000;
const DEFAULT_TICK_MS = 1_000;
const MAX_COMMANDS = 500;
const MAX_ENTRIES = 200;
/** The maximum length of all texts of a kind together, in letters of up to 2 bytes. */
const MAX_TEXT_LENGTH = 200_000;
/** The maximum size of all pictures as base64, one byte per letter. A picture of 480 × 480 takes 5 to 40 KB. */
const MAX_PICTURE_BYTES = 2_000_000;
/** A text is cut before it is stored and once more after it is redacted, so that the first cut can't halve a visible secret. */
const MAX_STORED_LENGTH = 2_000;
const MAX_SHOWN_LENGTH = 1_000;
/** A page that logs more messages than this in one second is not listened to for {@link PAUSE_TICKS}. */
const MAX_MESSAGES_PER_TICK = 200;
const PAUSE_TICKS = 5;

interface ConsoleEntry extends Timed {
  readonly level: string;
  readonly text: string;
}

interface UrlEntry extends Timed {
  readonly url: string;
}

interface RequestEntry extends UrlEntry {
  readonly status: number | null;
  readonly error: string | null;
}

interface PictureEntry extends Timed {
  readonly jpeg: string;
}

/** A page whose console is listened to. */
interface ListenedPage {
  /** True while Chromium repeats the messages from before the connection. */
  isRepeating: boolean;
  messagesInTick: number;
  /** The number of seconds until the page is listened to again; 0 if it is listened to. */
  pausedTicks: number;
}

/** The parts of a session that its recorder reads. */
export interface RecordedSession {
  /** The halt of the session. */
  readonly signal: AbortSignal;
  /** Aborts when the session has ended or is being ended. */
  readonly over: AbortSignal;
  /** Such as `chrome 156.0.7204.92`. */
  readonly browser: string;
  readonly commands: CommandLog;
  /** The id of the process group of driver and browser; undefined if this program did not start them. */
  readonly processGroup: number | undefined;
  readonly devtools: () => DevTools | undefined;
  readonly windowHandle: () => string | null;
}

/** The last seconds of a session, as they were at one moment. */
export interface RecordedSeconds {
  readonly atMs: number;
  readonly beganAtMs: number;
  readonly session: number;
  readonly browser: string;
  readonly commands: readonly CommandEntry[];
  readonly navigations: readonly UrlEntry[];
  readonly console: readonly ConsoleEntry[];
  readonly failedRequests: readonly RequestEntry[];
  readonly samples: readonly UsageSample[];
  readonly pictures: readonly PictureEntry[];
}

export interface RecorderOptions {
  /** Called when a session begins. Returns its number in the run, from 1. */
  readonly onSession: () => number;
  /** The time between two samples, and the minimum time between two pictures. @default 1_000 */
  readonly tickMs?: number;
}

/** Records the sessions of one supervisor, one after the other. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #navigations = new Ring<UrlEntry>(textLimits(({ url }) => url));
  readonly #console = new Ring<ConsoleEntry>(textLimits(({ text }) => text));
  readonly #requests = new Ring<RequestEntry>(textLimits(({ url }) => url));
  readonly #samples = new Ring<UsageSample>({ maxAgeMs: RECORDED_MS, maxCount: MAX_ENTRIES });
  readonly #pictures = new Ring<PictureEntry>({
    maxAgeMs: RECORDED_MS,
    maxCount: MAX_ENTRIES,
    maxSize: MAX_PICTURE_BYTES,
    sizeOf: ({ jpeg }) => jpeg.length,
  });
  readonly #pages = new Map<string, ListenedPage>();
  /** Takes the pictures of the session. */
  #camera: PagePictures | undefined;
  #session: (RecordedSession & { readonly number: number; readonly beganAtMs: number }) | undefined;
  /** The number of events of pages. */
  #events = 0;
  /** The numbers of events and commands at the last tick. */
  #seen = '';

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** The halt of the session that is recorded, or was recorded last; undefined before the first one. */
  get signal(): AbortSignal | undefined {
    return this.#session?.signal;
  }

  /** Forgets the last session and records this one until it is over. */
  begin(session: RecordedSession): void {
    for (const ring of [this.#navigations, this.#console, this.#requests, this.#samples, this.#pictures]) ring.clear();
    this.#pages.clear();
    this.#session = { ...session, number: this.#options.onSession(), beganAtMs: Date.now() };
    session.commands.hold(MAX_COMMANDS);
    const usage = session.processGroup === undefined ? undefined : new GroupUsage(session.processGroup);
    const camera = new PagePictures({
      ...session,
      signal: session.over,
      onPicture: (jpeg) => {
        if (this.#session?.signal === session.signal) this.#pictures.add({ atMs: Date.now(), jpeg });
      },
    });
    this.#camera = camera;
    const timer = setInterval(() => this.#tick(session, { usage, camera }), this.#options.tickMs ?? DEFAULT_TICK_MS);
    timer.unref();
    session.over.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  onPageAttached(handle: string, devtools: DevTools): void {
    const known = this.#pages.get(handle);
    const page = known ?? { isRepeating: false, messagesInTick: 0, pausedTicks: 0 };
    this.#pages.set(handle, page);
    // A known page is attached again after a broken connection, and its messages from before are recorded already.
    void this.#listen(handle, page, { devtools, isKnown: known !== undefined });
  }

  onPageClosed(handle: string): void {
    this.#pages.delete(handle);
  }

  onPageEvent(handle: string, { method, params }: DevToolsEvent): void {
    if (method.startsWith('Page.screencast')) return;
    this.#events += 1;
    if (method === 'Console.messageAdded') this.#onConsole(handle, params['message'] as ConsoleMessage);
    else if (method === 'Log.entryAdded') this.#onLog(handle, params['entry'] as LogEntry);
    else if (method === 'Page.frameNavigated') this.#onNavigated(handle, params['frame'] as Frame);
    else if (method === 'Page.navigatedWithinDocument' && params['frameId'] === handle)
      this.#navigations.add({ atMs: Date.now(), url: toStored(String(params['url'])) });
  }

  /** Returns the last seconds of the session, also of one that is over; undefined before the first session. */
  take(): RecordedSeconds | undefined {
    if (this.#session === undefined) return undefined;
    const { number, beganAtMs, browser, commands } = this.#session;
    const atMs = Date.now();
    return {
      atMs,
      beganAtMs,
      session: number,
      browser,
      commands: commands.entries().filter((entry) => entry.atMs + (entry.durationMs ?? Infinity) >= atMs - RECORDED_MS),
      navigations: this.#navigations.list(atMs),
      console: this.#console.list(atMs),
      failedRequests: this.#requests.list(atMs),
      samples: this.#samples.list(atMs),
      pictures: this.#pictures.list(atMs),
    };
  }

  #tick(
    { commands, devtools }: RecordedSession,
    { usage, camera }: { readonly usage: GroupUsage | undefined; readonly camera: PagePictures },
  ): void {
    const sample = usage?.sample();
    if (sample !== undefined) this.#samples.add(sample);
    const seen = `${this.#events} ${commands.count}`;
    camera.tick(seen !== this.#seen);
    this.#seen = seen;
    for (const [handle, page] of this.#pages) {
      page.messagesInTick = 0;
      if (page.pausedTicks === 0) continue;
      page.pausedTicks -= 1;
      const connection = devtools();
      if (page.pausedTicks === 0 && connection !== undefined)
        void this.#listen(handle, page, { devtools: connection, isKnown: true });
    }
  }

  /** Enables the domains whose events this class records. Never rejects. */
  async #listen(
    handle: string,
    page: ListenedPage,
    { devtools, isKnown }: { readonly devtools: DevTools; readonly isKnown: boolean },
  ): Promise<void> {
    page.isRepeating = isKnown;
    // A page that closes in the meantime refuses. Chromium sends the messages from before, and then the answer.
    await Promise.allSettled(['Log.enable', 'Console.enable'].map((method) => devtools.callPage(handle, method)));
    page.isRepeating = false;
  }

  #onConsole(handle: string, { level, text }: ConsoleMessage): void {
    if (this.#isIgnored(handle)) return;
    this.#console.add({ atMs: Date.now(), level, text: toStored(text) });
  }

  #onLog(handle: string, { source, level, text, url = '' }: LogEntry): void {
    if (level === 'verbose' || this.#isIgnored(handle)) return;
    const atMs = Date.now();
    const status = /status of (\d+)/.exec(text)?.[1];
    const error = /\bnet::\w+/.exec(text)?.[0];
    if (source !== 'network' || (status === undefined && error === undefined))
      this.#console.add({ atMs, level, text: toStored(url === '' ? text : `${text} (${url})`) });
    else
      this.#requests.add({
        atMs,
        url: toStored(url),
        status: status === undefined ? null : Number(status),
        error: error ?? null,
      });
  }

  /** In Chromium the main frame of a page has the page's target id, which is its window handle. */
  #onNavigated(handle: string, { id, url, parentId, unreachableUrl }: Frame): void {
    if (parentId !== undefined || id !== handle) return;
    this.#camera?.onNavigated(handle);
    const atMs = Date.now();
    this.#navigations.add({ atMs, url: toStored(unreachableUrl ?? url) });
    if (unreachableUrl === undefined) return;
    this.#requests.add({ atMs, url: toStored(unreachableUrl), status: null, error: 'the page could not be loaded' });
  }

  /** Counts a message of the page. Returns true if it is recorded already, or one too many. */
  #isIgnored(handle: string): boolean {
    const page = this.#pages.get(handle);
    if (page === undefined) return false;
    if (page.isRepeating) return true;
    page.messagesInTick += 1;
    if (page.messagesInTick <= MAX_MESSAGES_PER_TICK) return false;
    if (page.pausedTicks === 0) {
      page.pausedTicks = PAUSE_TICKS;
      for (const method of ['Log.disable', 'Console.disable'])
        this.#session
          ?.devtools()
          ?.callPage(handle, method)
          .catch(() => undefined);
    }
    return true;
  }
}

/** Returns the recording of these seconds, redacted. `death` and `failure` are its reason; both are null at the end of a run. */
export function toRecording(
  taken: RecordedSeconds,
  { death = null, failure = null }: Partial<Pick<Recording, 'death' | 'failure'>>,
): Recording {
  const { atMs, beganAtMs, session, browser } = taken;
  return {
    version: 1,
    at: death?.at ?? toTime(atMs),
    seconds: Math.round(Math.min(RECORDED_MS, atMs - beganAtMs) / 100) / 10,
    death,
    failure: failure && {
      step: redactText(failure.step),
      message: cut(redactText(failure.message.slice(0, MAX_STORED_LENGTH))),
    },
    epoch: session,
    browser,
    commands: taken.commands.map(({ atMs: sentAtMs, label, outcome, durationMs }) => ({
      at: toTime(sentAtMs),
      label,
      outcome,
      durationMs: durationMs === null ? null : Math.round(durationMs * 10) / 10,
    })),
    navigations: taken.navigations.map((entry) => ({ at: toTime(entry.atMs), url: cut(redactUrl(entry.url)) })),
    console: taken.console.map(({ level, ...entry }) => ({
      at: toTime(entry.atMs),
      level,
      text: cut(redactText(entry.text)),
    })),
    failedRequests: taken.failedRequests.map(({ status, error, ...entry }) => ({
      at: toTime(entry.atMs),
      url: cut(redactUrl(entry.url)),
      status,
      error,
    })),
    samples: taken.samples.map(({ atMs: sampledAtMs, ...sample }) => ({ at: toTime(sampledAtMs), ...sample })),
    pictures: taken.pictures.map(({ jpeg, ...entry }) => ({ at: toTime(entry.atMs), jpeg })),
  };
}

interface ConsoleMessage {
  readonly level: string;
  readonly text: string;
}

interface LogEntry extends ConsoleMessage {
  readonly source: string;
  readonly url?: string;
}

interface Frame {
  readonly id: string;
  readonly url: string;
  readonly parentId?: string;
  /** The URL of a page that could not be loaded. Chromium then shows its own page. */
  readonly unreachableUrl?: string;
}

function textLimits<Entry>(textOf: (entry: Entry) => string) {
  const sizeOf = (entry: Entry) => textOf(entry).length;
  return { maxAgeMs: RECORDED_MS, maxCount: MAX_ENTRIES, maxSize: MAX_TEXT_LENGTH, sizeOf };
}

/** Returns a text of limited length. A slice of a string holds the whole string in memory, so it is copied. */
function toStored(text: string): string {
  return text.length <= MAX_STORED_LENGTH ? text : Buffer.from(text.slice(0, MAX_STORED_LENGTH)).toString();
}

function cut(text: string): string {
  return text.length <= MAX_SHOWN_LENGTH ? text : `${text.slice(0, MAX_SHOWN_LENGTH)}…`;
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A program that acquires an owner's session for a number of callers, prints the results as lines of JSON, and runs until it is ended. */
import {
  loadConfig,
  openRegistry,
  SessionManager,
  type Acquisition,
  type SessionBusyError,
} from 'webdriver-supervisor';

export interface HolderOrder {
  readonly registryUrl: string;
  readonly owner: string;
  /** The endpoint. Default: the program starts a browser. */
  readonly gridUrl?: string;
  readonly heartbeatIntervalMs: number;
  readonly callers: number;
  readonly waitMs: number;
  /** A URL that the program requests repeatedly with the session's API, between commands. */
  readonly asks?: string;
}

export type HolderLine =
  | {
      readonly got: readonly string[];
      readonly reused: number;
      readonly folder: string | null;
      readonly driver: number | null;
    }
  | { readonly busy: readonly number[] }
  | { readonly failed: string }
  | { readonly death: { readonly cause: string; readonly detectedBy: string } }
  | { readonly restart: string };

const order = JSON.parse(process.argv[2] ?? '{}') as HolderOrder;
const print = (line: HolderLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
const registry = await openRegistry(order.registryUrl);
const { owner, gridUrl, heartbeatIntervalMs, callers, waitMs } = order;
const manager = await SessionManager.open({
  registry,
  config: loadConfig(),
  supervisor: { gridUrl, heartbeatIntervalMs },
});

// Installed before the first line is printed, because a reader of the line may end this program.
process.on('SIGTERM', () => {
  void manager
    .shutdown()
    .then(() => registry.close())
    .then(() => process.exit());
});

const answers = await Promise.allSettled(Array.from({ length: callers }, () => manager.acquire(owner, { waitMs })));
const got = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as SessionBusyError] : []));
const busy = refused.filter(({ code }) => code === 'session-busy');
if (busy.length > 0) print({ busy: busy.map(({ heldBy }) => heldBy.pid) });
if (busy.length < refused.length) print({ failed: refused.map(({ message }) => message).join('\n') });
if (got.length > 0) watch(got);

function watch(sessions: readonly Acquisition[]): void {
  const [{ supervisor } = { supervisor: undefined }] = sessions;
  supervisor?.on('session:dead', ({ death: { cause, detectedBy } }) => {
    print({ death: { cause, detectedBy } });
    sessions[0]?.restart().then(
      () => print({ restart: 'done' }),
      (error: Error & { code?: string }) => print({ restart: error.code ?? error.message }),
    );
  });
  print({
    got: sessions.map(({ sessionId }) => sessionId),
    reused: sessions.filter(({ reused }) => reused).length,
    folder: supervisor?.driverFolder ?? null,
    driver: supervisor?.pids.driver ?? null,
  });
}

setInterval(() => undefined, 60_000);
if (order.asks !== undefined) await workOn(got[0]!, order.asks);

/** Sends commands and API calls in an endless loop. */
async function workOn({ supervisor }: Acquisition, url: string): Promise<never> {
  for (;;) await Promise.allSettled([supervisor.driver.getTitle(), supervisor.api.fetch(url, { anyStatus: true })]);
}

import { request, type IncomingHttpHeaders } from 'node:http';
import path from 'node:path';
import { tmpdir } from 'node:os';

import { loadConfig, type Config, type SettingName } from '../../../src/config/config.ts';
import { makeLog } from '../../../src/core/log.ts';
import { Monitor } from '../../../src/monitor/monitor.ts';
import { EventReader, type ReadOptions } from './event-reader.ts';

/** The token of the monitors in these tests. */
export const TOKEN = 'planted-token-of-the-monitor';
const LIMIT_MS = 10_000;

/** An answer as received. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into answers whose shape they are about to check
  readonly json: any;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Texts and bytes are sent unchanged; other values as JSON with its content type. */
  readonly body?: unknown;
  /** The Bearer token; null for none. Default of {@link OpenedMonitor.ask}: the monitor's token, unless `authorization` is given. */
  readonly token?: string | null;
  /** The client's address, such as `127.0.0.2`. */
  readonly localAddress?: string;
}

/** A monitor on its own port of loopback that stores its log lines. */
export interface OpenedMonitor extends AsyncDisposable {
  readonly url: string;
  readonly config: Config;
  /** Its log lines of all levels. */
  readonly lines: readonly string[];
  /** Sends one request over its own connection. The path is sent unchanged. */
  ask(target: string, options?: AskOptions): Promise<Answer>;
  /** Sends a change with the token. */
  post(target: string, body?: unknown): Promise<Answer>;
  /** Opens the stream of events with the token. */
  readEvents(query?: string, options?: ReadOptions): Promise<EventReader>;
  close(): Promise<void>;
}

/** The settings of these tests. Checks, clean-ups and alerts about memory are off, so that only the tests change the registry. */
export function monitorConfig(registryUrl: string, settings: Partial<Record<SettingName, string>> = {}): Config {
  return loadConfig({
    environment: {
      REGISTRY_URL: registryUrl,
      MONITOR_PORT: '0',
      MONITOR_TOKEN: TOKEN,
      HEALTH_CHECK_ENABLED: 'false',
      SESSION_CLEANUP_ENABLED: 'false',
      SESSION_MAX_MEMORY_MB: '1000000',
      ...settings,
    },
    folder: path.join(tmpdir(), 'no-settings-here'),
  });
}

/** Settings that are empty count as not set. */
export async function openMonitor(
  registryUrl: string,
  settings: Partial<Record<SettingName, string>> = {},
): Promise<OpenedMonitor> {
  const config = monitorConfig(registryUrl, settings);
  const lines: string[] = [];
  const log = makeLog({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
  const monitor = await Monitor.open({ config, log });
  // Requests to a monitor that listens on all addresses are sent to loopback.
  const url = monitor.url.replace('0.0.0.0', '127.0.0.1');
  const close = () => monitor.close();
  return {
    url,
    config,
    lines,
    ask: (target, options) =>
      ask(url, target, {
        ...(!options?.headers?.['authorization'] && { token: config.monitorToken ?? null }),
        ...options,
      }),
    post: (target, body) => ask(url, target, { method: 'POST', token: TOKEN, ...(body !== undefined && { body }) }),
    readEvents: (query = '', { headers, ...options } = {}) =>
      EventReader.open(`${url}/events${query}`, {
        headers: {
          ...(config.monitorToken !== undefined && { authorization: `Bearer ${config.monitorToken}` }),
          ...headers,
        },
        ...options,
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Rejects if no complete answer comes. */
export function ask(
  url: string,
  target: string,
  { method = 'GET', headers = {}, body, token = null, localAddress }: AskOptions = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const payload = isRaw ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: hostname.replaceAll(/[[\]]/g, ''),
      port,
      path: target,
      method,
      agent: false,
      ...(localAddress !== undefined && { localAddress }),
      timeout: LIMIT_MS,
      headers: {
        ...(payload !== undefined && { 'content-length': Buffer.byteLength(payload) }),
        ...(!isRaw && { 'content-type': 'application/json' }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`${method} ${target} had no answer for ${LIMIT_MS / 1_000} s`)),
    );
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = (response.headers['content-type'] ?? '').includes('json') && text !== '';
        const json: unknown = isJson ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    outgoing.end(payload);
  });
}

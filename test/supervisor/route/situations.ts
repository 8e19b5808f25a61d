import type { SessionSupervisor, SupervisorOptions } from '../../../src/supervisor/supervisor.ts';
import type { ProxyStage } from './proxy-stage.ts';

/** A configuration of a browser and its proxy. */
export interface Situation {
  readonly title: string;
  readonly options: SupervisorOptions;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Returns the routes of the page and of `api` to each URL; `fails` if it can't be reached. */
export async function compare(
  stage: ProxyStage,
  supervisor: SessionSupervisor,
  urls: readonly string[],
): Promise<{ page: Record<string, string>; api: Record<string, string> }> {
  const page: Record<string, string> = {};
  const api: Record<string, string> = {};
  for (const url of urls) {
    stage.takeSeen();
    const title = await supervisor.driver.get(url).then(
      () => supervisor.driver.getTitle(),
      () => 'failed',
    );
    const [pageWay] = stage.takeSeen().ways;
    page[url] = title === 'site' ? String(pageWay) : 'fails';
    const text = await supervisor.api.fetch(url).then(
      (response) => response.text(),
      () => 'failed',
    );
    const [apiWay] = stage.takeSeen().ways;
    api[url] = text.includes('<title>site</title>') ? String(apiWay) : 'fails';
  }
  return { page, api };
}

/** Runs `work`, which starts browsers, with the given environment variables. */
export async function withEnvironment<Value>(
  environment: Readonly<Record<string, string>>,
  work: () => Promise<Value>,
): Promise<Value> {
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, environment);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

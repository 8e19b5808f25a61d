/**
 * The packages of features that most programs do not use. They are optional peer dependencies, so that a plain installation is small. Every
 * import of such a package goes through this module: a feature whose packages are missing is refused with the command that installs them.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

import { ConfigError, toError } from './errors.ts';
import { quoteForShell } from './shell-words.ts';

interface OptionalFeature {
  /** The feature, as a part of a sentence. */
  readonly name: string;
  readonly packages: readonly string[];
}

export const OPTIONAL_FEATURES = {
  monitor: {
    name: 'the monitor',
    packages: [
      'fastify',
      '@fastify/helmet',
      '@fastify/rate-limit',
      '@fastify/sse',
      '@fastify/static',
      '@fastify/swagger',
      'fastify-type-provider-zod',
      'prom-client',
      'chart.js',
      'lit-html',
    ],
  },
  postgres: { name: 'a registry in PostgreSQL', packages: ['pg'] },
  queue: { name: 'workers and schedules', packages: ['pg-boss'] },
  slack: { name: 'alerts to Slack', packages: ['@slack/webhook'] },
  mail: { name: 'alerts by e-mail', packages: ['nodemailer'] },
  socks: { name: 'API calls through a SOCKS proxy', packages: ['socks'] },
  pac: { name: 'API calls by a PAC file', packages: ['pac-resolver', 'quickjs-wasi'] },
} satisfies Record<string, OptionalFeature>;

export type Feature = keyof typeof OPTIONAL_FEATURES;

/**
 * Loads a module that imports the packages of `feature`. Throws as {@link assertInstalled} does, also if a package is damaged or too old to
 * be imported.
 */
export async function importOptional<Module>(feature: Feature, load: () => Promise<Module>): Promise<Module> {
  assertInstalled(feature);
  try {
    return await load();
  } catch (thrown) {
    const { name, packages } = OPTIONAL_FEATURES[feature];
    const [reason] = toError(thrown).message.split('\n', 1);
    throw new ConfigError(
      `The packages for ${name} can't be loaded: ${reason?.replace(/\.$/, '')}. To install them again: ${toInstallCommand(packages)}`,
      { cause: thrown },
    );
  }
}

/** Throws one `ConfigError` if packages of these features are missing. Its message has the command that installs all of them. */
export function assertInstalled(...features: readonly Feature[]): void {
  const lacking = features.map((feature) => OPTIONAL_FEATURES[feature]).map(withMissingPackages);
  const incomplete = lacking.filter(({ packages }) => packages.length > 0);
  const missing = incomplete.flatMap(({ packages }) => packages);
  if (missing.length === 0) return;
  const names = new Intl.ListFormat('en').format(incomplete.map(({ name }) => name));
  throw new ConfigError(`The packages for ${names} are not installed. To install them: ${toInstallCommand(missing)}`, {
    data: { missing },
  });
}

function withMissingPackages({ name, packages }: OptionalFeature): OptionalFeature {
  return { name, packages: packages.filter((one) => !isInstalled(one)) };
}

function isInstalled(name: string): boolean {
  try {
    return findPackageJSON(name, import.meta.url) !== undefined;
  } catch {
    // Node.js reports a package that does not exist by ERR_MODULE_NOT_FOUND.
    return false;
  }
}

function toInstallCommand(names: readonly string[]): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { peerDependencies } = JSON.parse(manifest) as { readonly peerDependencies: Readonly<Record<string, string>> };
  return ['npm install', ...names.map((name) => quoteForShell(`${name}@${peerDependencies[name]}`))].join(' ');
}

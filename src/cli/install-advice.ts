/** The command that gets a browser and its driver on this machine. Needs nothing that has to be installed: the set-up uses it too. */
import { existsSync, readFileSync } from 'node:fs';

const RELEASE_FILE = '/etc/os-release';

/** What the advice depends on; a value, so that the advice for every platform can be tested on any. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  /** The text of /etc/os-release; empty elsewhere. */
  readonly osRelease: string;
  readonly isRoot: boolean;
}

/** The exact command that a person has to type on this machine to get a browser and its driver. */
export function installAdvice({ platform, osRelease, isRoot }: Machine): string {
  if (platform === 'darwin') return 'brew install --cask google-chrome chromedriver';
  const sudo = isRoot ? '' : 'sudo ';
  const systems = systemNames(osRelease);
  // Ubuntu has Chromium as a snap only, its driver within.
  if (systems[0] === 'ubuntu') return `${sudo}snap install chromium`;
  if (systems.includes('debian') || systems.includes('ubuntu'))
    return `${sudo}apt-get install chromium chromium-driver`;
  if (systems.includes('fedora') || systems.includes('rhel')) return `${sudo}dnf install chromium chromedriver`;
  if (systems.includes('arch')) return `${sudo}pacman -S chromium`;
  if (systems.includes('alpine')) return `${sudo}apk add chromium chromium-chromedriver`;
  return "install Chrome or Chromium and the chromedriver of the same version with your system's package manager";
}

/** What distributions call themselves: `ID`, then the names in `ID_LIKE`. */
export function systemNames(osRelease: string): string[] {
  const valueOf = (key: string) => new RegExp(`^${key}="?([^"\\n]*)`, 'm').exec(osRelease)?.[1] ?? '';
  return `${valueOf('ID')} ${valueOf('ID_LIKE')}`.trim().split(/\s+/);
}

export function readMachine(): Machine {
  return {
    platform: process.platform,
    osRelease: existsSync(RELEASE_FILE) ? readFileSync(RELEASE_FILE, 'utf8') : '',
    isRoot: process.getuid?.() === 0,
  };
}

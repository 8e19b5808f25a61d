/** The command that installs a browser and its driver on this machine. It uses no package, because the set-up script runs it, too. */
import { existsSync, readFileSync } from 'node:fs';

const RELEASE_FILE = '/etc/os-release';

/** The facts that the advice depends on, as a value, so that the advice for every platform can be tested on any platform. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  /** The text of /etc/os-release; empty if there is no such file. */
  readonly osRelease: string;
  readonly isRoot: boolean;
}

/** Returns the exact command that installs a browser and its driver on this machine. */
export function installAdvice({ platform, osRelease, isRoot }: Machine): string {
  if (platform === 'darwin') return 'brew install --cask google-chrome chromedriver';
  const sudo = isRoot ? '' : 'sudo ';
  const systems = systemNames(osRelease);
  // Ubuntu has Chromium only as a snap, which contains the driver.
  if (systems[0] === 'ubuntu') return `${sudo}snap install chromium`;
  if (systems.includes('debian') || systems.includes('ubuntu'))
    return `${sudo}apt-get install chromium chromium-driver`;
  if (systems.includes('fedora') || systems.includes('rhel')) return `${sudo}dnf install chromium chromedriver`;
  if (systems.includes('arch')) return `${sudo}pacman -S chromium`;
  if (systems.includes('alpine')) return `${sudo}apk add chromium chromium-chromedriver`;
  return "install Chrome or Chromium and the chromedriver of the same version with your system's package manager";
}

/** Returns the names of the distribution: `ID`, then the names in `ID_LIKE`. */
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

/** The command that gets a browser and its driver on this machine. */
import { existsSync, readFileSync } from 'node:fs';

const RELEASE_FILE = '/etc/os-release';

export function installAdvice(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return 'brew install --cask google-chrome chromedriver';
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  const systems = systemNames(existsSync(RELEASE_FILE) ? readFileSync(RELEASE_FILE, 'utf8') : '');
  // Ubuntu has Chromium as a snap only, its driver within.
  if (systems[0] === 'ubuntu') return `${sudo}snap install chromium`;
  if (systems.includes('debian') || systems.includes('ubuntu'))
    return `${sudo}apt-get install chromium chromium-driver`;
  if (systems.includes('fedora') || systems.includes('rhel')) return `${sudo}dnf install chromium chromedriver`;
  if (systems.includes('arch')) return `${sudo}pacman -S chromium`;
  if (systems.includes('alpine')) return `${sudo}apk add chromium chromium-chromedriver`;
  return "install Chrome or Chromium and the chromedriver of the same version by your system's package manager";
}

/** `ID`, then the names in `ID_LIKE`. */
function systemNames(release: string): string[] {
  const valueOf = (key: string) => new RegExp(`^${key}="?([^"\\n]*)`, 'm').exec(release)?.[1] ?? '';
  return `${valueOf('ID')} ${valueOf('ID_LIKE')}`.trim().split(/\s+/);
}

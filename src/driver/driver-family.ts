/** The families of browsers that this program starts itself: the names of their programs, the settings, and how their drivers are started. */

/** How a driver is started in its temporary folder. */
interface DriverLaunch {
  readonly arguments: readonly string[];
  /** The path in the driver's URL; empty if the driver has none. */
  readonly basePath: string;
}

export interface DriverFamily {
  readonly name: 'chrome' | 'firefox' | 'edge';
  /** The words for the browser and its driver in messages. */
  readonly browser: string;
  readonly driver: string;
  /** The settings that name the two programs. */
  readonly settings: Readonly<Record<'browser' | 'driver', string>>;
  /** File names in the folders of programs, the preferred one first. */
  readonly browserNames: readonly string[];
  readonly driverNames: readonly string[];
  /** Full paths of usual installations elsewhere. */
  readonly browserPaths: readonly string[];
  readonly driverPaths: readonly string[];
  /** The folders and the executables in Selenium Manager's cache: `<cache>/<folder>/<platform>/<version>/<file>`. */
  readonly cached: {
    readonly browserFolder: string;
    readonly browserFiles: readonly string[];
    readonly driverFolder: string;
  };
  /** True if a driver works only with the browser of its own major version. */
  readonly hasMatchingVersions: boolean;
  /** The words for what shows that a session is alive. */
  readonly watchedBy: string;
  /** `secret` is random. `folder` is removed with the driver. */
  readonly launch: (secret: string, folder: string) => DriverLaunch;
  /** Matches the driver's output when it listens. The first group is the port. */
  readonly listening: RegExp;
}

/** chromedriver and msedgedriver are one program. Pages and other users can reach its port, but they do not know the path. */
const launchChromium: DriverFamily['launch'] = (secret) => ({
  arguments: ['--port=0', `--url-base=/${secret}`, '--enable-chrome-logs'],
  basePath: `/${secret}`,
});

/** The driver first says "on port 0", then, when it listens, "started successfully on port N." */
const CHROMIUM_LISTENING = /started successfully on port (\d+)\D/;

const CHROME: DriverFamily = {
  name: 'chrome',
  browser: 'Chrome or Chromium',
  driver: 'chromedriver',
  settings: { browser: 'CHROME_BINARY', driver: 'CHROMEDRIVER' },
  browserNames: ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome'],
  driverNames: ['chromedriver', 'chromium.chromedriver'],
  browserPaths: [
    '/opt/google/chrome/chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  driverPaths: [
    '/usr/lib/chromium/chromedriver',
    '/usr/lib/chromium-browser/chromedriver',
    '/usr/lib64/chromium-browser/chromedriver',
  ],
  cached: {
    browserFolder: 'chrome',
    browserFiles: ['chrome', 'Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing'],
    driverFolder: 'chromedriver',
  },
  hasMatchingVersions: true,
  watchedBy: 'DevTools and the process',
  launch: launchChromium,
  listening: CHROMIUM_LISTENING,
};

const EDGE: DriverFamily = {
  name: 'edge',
  browser: 'Edge',
  driver: 'msedgedriver',
  settings: { browser: 'EDGE_BINARY', driver: 'EDGEDRIVER' },
  browserNames: ['microsoft-edge', 'microsoft-edge-stable', 'msedge'],
  driverNames: ['msedgedriver'],
  browserPaths: ['/opt/microsoft/msedge/msedge', '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge'],
  driverPaths: [],
  cached: { browserFolder: 'msedge', browserFiles: ['msedge'], driverFolder: 'msedgedriver' },
  hasMatchingVersions: true,
  watchedBy: 'DevTools and the process',
  launch: launchChromium,
  listening: CHROMIUM_LISTENING,
};

const FIREFOX: DriverFamily = {
  name: 'firefox',
  browser: 'Firefox',
  driver: 'geckodriver',
  settings: { browser: 'FIREFOX_BINARY', driver: 'GECKODRIVER' },
  browserNames: ['firefox', 'firefox-esr'],
  driverNames: ['geckodriver'],
  browserPaths: ['/usr/lib/firefox-esr/firefox-esr', '/Applications/Firefox.app/Contents/MacOS/firefox'],
  driverPaths: [],
  cached: {
    browserFolder: 'firefox',
    browserFiles: ['firefox', 'Firefox.app/Contents/MacOS/firefox'],
    driverFolder: 'geckodriver',
  },
  hasMatchingVersions: false,
  watchedBy: 'BiDi and the process',
  // geckodriver has no path of its own. It refuses requests from web pages by their Origin header.
  launch: (_secret, folder) => ({
    arguments: ['--port=0', '--websocket-port=0', `--profile-root=${folder}`],
    basePath: '',
  }),
  listening: /Listening on 127\.0\.0\.1:(\d+)\D/,
};

/** Returns the family of a browser by its name in capabilities. Names that no family has belong to Chrome's. */
export function driverFamilyOf(browserName = 'chrome'): DriverFamily {
  if (/edge/i.test(browserName)) return EDGE;
  return /firefox/i.test(browserName) ? FIREFOX : CHROME;
}

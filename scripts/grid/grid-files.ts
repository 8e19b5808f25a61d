/** Finds or fetches the jars of Selenium Grid. They are stored in a cache folder outside of the checkout, by version. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const GRID_VERSION = '4.47.0';
/** Maven downloads 59 MB. It takes 13 s on a fast line. */
const FETCH_LIMIT_MS = 5 * 60_000;

/** Returns the folder of the jars. Throws with the command to type if Java or Maven is missing or the download fails. */
export async function findGridJars(): Promise<string> {
  const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'webdriver-supervisor');
  const folder = path.join(cache, `selenium-grid-${GRID_VERSION}`);
  if (existsSync(folder)) return folder;
  for (const program of ['java', 'mvn']) await assertInstalled(program);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(path.join(cache, 'fetching-'));
  try {
    await writeFile(path.join(work, 'pom.xml'), POM);
    const lib = path.join(work, 'lib');
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${lib}`, '-DincludeScope=runtime'];
    await run('mvn', ['-q', '-B', '-f', path.join(work, 'pom.xml'), ...goal], { timeout: FETCH_LIMIT_MS });
    if ((await readdir(lib)).length === 0) throw new Error('Maven has fetched nothing.');
    // Another process may have fetched them in the meantime; its folder is as good.
    await rename(lib, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function assertInstalled(program: string): Promise<void> {
  try {
    await run(program, ['-version']);
  } catch {
    throw new Error(`Selenium Grid needs ${program}. On Debian: apt-get install default-jre-headless maven`);
  }
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>grid</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.seleniumhq.selenium</groupId>
      <artifactId>selenium-grid</artifactId>
      <version>${GRID_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

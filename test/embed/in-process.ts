import Mocha from 'mocha';

/** Returns what is written to stderr while `work` runs. It does not reach the terminal. */
export async function readStderr(work: () => Promise<unknown>): Promise<string> {
  const { stderr } = process;
  const write = stderr.write.bind(stderr);
  let text = '';
  stderr.write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  try {
    await work();
    return text;
  } finally {
    stderr.write = write;
  }
}

/** Runs tests in a mocha of their own within this process, and writes one line for the end of each to stderr. */
export async function runMocha(
  fill: (suite: Mocha.Suite) => void,
  options: Mocha.MochaOptions = {},
): Promise<Mocha.Stats | undefined> {
  const mocha = new Mocha({ ...options, reporter: LineReporter });
  fill(Mocha.Suite.create(mocha.suite, 'inner'));
  let runner: Mocha.Runner | undefined;
  await new Promise<void>((resolve) => {
    runner = mocha.run(() => resolve());
  });
  // Its listeners of the process go with it.
  mocha.dispose();
  return runner?.stats;
}

class LineReporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const line = (words: string) => process.stderr.write(`${words}\n`);
    runner.on('pass', (test) => line(`passed: ${test.fullTitle()}`));
    runner.on('fail', (test, error: Error) => line(`failed: ${test.fullTitle()}: ${error.message}`));
    runner.on('retry', (test) => line(`retried: ${test.fullTitle()}`));
  }
}

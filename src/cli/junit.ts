/** The results of a smoke test as JUnit XML, the one format that every CI service reads. */
import junit from 'junit-report-builder';

/** A row of the dataset `smoke`, as far as reports need it. */
export interface PageResult {
  readonly url: string;
  readonly passed: boolean;
  readonly problems: readonly string[];
  readonly loadMs: number | null;
  readonly screenshot: string | null;
}

/** One test case per page. `unchecked` pages are errors, not failures: nothing is known of them. */
export function toJunitXml(results: readonly PageResult[], { startedAt, durationMs, unchecked }: JunitFacts): string {
  const report = junit.newBuilder();
  const suite = report.testSuite().name('smoke').timestamp(startedAt).time(toSeconds(durationMs));
  for (const { url, passed, problems, loadMs, screenshot } of results) {
    const test = suite.testCase().className('smoke').name(url).time(toSeconds(loadMs ?? 0));
    if (passed) continue;
    const picture = screenshot === null ? [] : [`screenshot: ${screenshot}`];
    test.failure(problems[0], 'smoke').stacktrace([...problems, ...picture].join('\n'));
    // What GitLab and Jenkins turn into a link to the file.
    if (screenshot !== null) test.errorAttachment(screenshot);
  }
  for (const url of unchecked.urls) {
    suite.testCase().className('smoke').name(url).error(unchecked.reason, 'not-checked');
  }
  return report.build();
}

export interface JunitFacts {
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly unchecked: { readonly urls: readonly string[]; readonly reason: string };
}

function toSeconds(ms: number): number {
  return ms / 1_000;
}

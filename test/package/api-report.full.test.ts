import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { makeApiReport, REPORT_FILE } from '../../scripts/api-report.ts';

describe('the public types', () => {
  it('are those of the committed report', () => {
    const [before, now] = [readFileSync(REPORT_FILE, 'utf8'), makeApiReport()];
    if (now === before) return;
    const [oldLines, newLines] = [before.split('\n'), now.split('\n')];
    const changes = [
      ...oldLines.filter((line) => !newLines.includes(line)).map((line) => `- ${line}`),
      ...newLines.filter((line) => !oldLines.includes(line)).map((line) => `+ ${line}`),
    ];
    expect.fail(
      `The public types have changed. If that is intended, run \`npm run api-report\` and commit the report:\n${changes.join('\n')}`,
    );
  });
});

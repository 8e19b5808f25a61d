import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { renderRecording } from '../../../src/runs/reports/reports.ts';
import { renderRunReport } from '../../../src/runs/reports/run-report.ts';
import { findReports } from '../../../src/runs/runs.ts';
import { makeRecording } from './make-recording.ts';
import { makeReport } from './make-report.ts';

describe('The reports in a folder', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'found-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string) => {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };

  it('are found with the times of their recordings, in the order of their numbers', async () => {
    const report = write('report.html', renderRunReport(makeReport()));
    const times = ['2026-11-20T18:15:30.123Z', '2026-11-20T18:15:31.123Z'];
    const [second, first] = ['deaths/10/report.html', 'deaths/9/report.html'].map((name, index) =>
      write(name, renderRecording(makeRecording({ at: times[1 - index]! }))),
    );
    expect(await findReports(folder)).to.deep.equal({
      report,
      recordings: [
        { at: times[0], file: first },
        { at: times[1], file: second },
      ],
    });
  });

  it('are only files that this program wrote, and no links to such files', async () => {
    write('report.html', '<h1>My own page</h1>');
    write('deaths/1/report.html', renderRunReport(makeReport()));
    write('deaths/notes/report.html', renderRecording(makeRecording()));
    mkdirSync(path.join(folder, 'deaths/2'));
    symlinkSync(path.join(folder, 'deaths/notes/report.html'), path.join(folder, 'deaths/2/report.html'));
    expect(await findReports(folder)).to.deep.equal({ report: null, recordings: [] });
    expect(await findReports(path.join(folder, 'absent'))).to.deep.equal({ report: null, recordings: [] });
  });
});

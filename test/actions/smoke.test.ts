import { expect } from 'chai';
import { checkPages } from './smoke-site.ts';

describe('smoke', () => {
  it('passes a good page, without a screenshot', async () => {
    const { rows } = await checkPages(['/good']);
    const { loadMs, ...row } = rows[0]!;
    expect(row).to.include({ status: 200, title: 'Good', screenshot: null, passed: true });
    expect([row.consoleErrors, row.brokenLinks, row.problems]).to.deep.equal([[], [], []]);
    expect(loadMs).to.be.a('number').above(0);
  });

  it('fails a page that writes a console error while or after it loads, and saves a screenshot of it', async () => {
    const { rows } = await checkPages(['/error', '/thrown', '/good']);
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, false, true]);
    expect(rows[0]?.problems).to.have.length(1);
    expect(rows[0]?.problems[0]).to.match(/^console error: .*"on purpose"$/);
    expect(rows[1]?.problems[0]).to.match(/^console error: .*Uncaught Error: a moment later$/);
    expect(rows.map(({ screenshot }) => screenshot !== null)).to.deep.equal([true, true, false]);
  });
});

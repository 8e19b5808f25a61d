import { expect } from 'chai';
import { makeLog, silentLog, type LogOptions } from '../../src/core/log.ts';

const SECRET = 'hunter2';

/** Makes a log that records its lines. */
function makeRecordingLog(options: Omit<LogOptions, 'write'> = {}) {
  const lines: string[] = [];
  const log = makeLog({ ...options, write: (line) => lines.push(line) });
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('makeLog as text', () => {
  it('writes one readable line with its fields at the end (R602)', () => {
    const { log, lines } = makeRecordingLog({ format: 'text' });
    log.info('A page was visited', { url: 'https://shop.test/', items: 20, note: undefined, list: [1, 2] });
    log.info('Alone');
    expect(lines).to.deep.equal(['A page was visited  (url=https://shop.test/ items=20 list=[1,2])\n', 'Alone\n']);
  });

  it('begins its lines with the time if it is asked to', () => {
    const { log, lines } = makeRecordingLog({ format: 'text', isTimed: true });
    log.warn('Careful', { epoch: 2 });
    expect(lines[0]).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z warning: Careful {2}\(epoch=2\)\n$/);
  });

  it('marks lines of other levels than info', () => {
    const { log, lines } = makeRecordingLog({ format: 'text', level: 'debug' });
    log.error('a');
    log.warn('b');
    log.debug('c');
    expect(lines).to.deep.equal(['error: a\n', 'warning: b\n', 'debug: c\n']);
  });

  it("accepts values that JSON can't represent", () => {
    const { log, lines } = makeRecordingLog({ format: 'text' });
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    log.info('Odd', { big: 10n, loop });
    expect(lines[0]).to.match(/^Odd {2}\(big=10 loop=/);
  });
});

describe('makeLog as JSON', () => {
  it('writes one object per line, with level, message, time and fields (R602)', () => {
    const { log, lines, entries } = makeRecordingLog({ format: 'json' });
    log.warn('Careful', { epoch: 2 });
    expect(lines[0]).to.match(/\}\n$/);
    const [entry] = entries();
    expect(entry).to.include({ level: 'warn', message: 'Careful', epoch: 2 });
    expect(new Date(String(entry!['timestamp'])).getTime()).to.be.closeTo(Date.now(), 5_000);
  });

  it('preserves the fields of a message with percent signs, as in URLs', () => {
    const { log, entries } = makeRecordingLog({ format: 'json' });
    log.info('Broken: https://shop.test/%d0%bf%s', { status: 404 });
    expect(entries()[0]).to.include({ message: 'Broken: https://shop.test/%d0%bf%s', status: 404 });
  });

  it('does not mix a field named message into the message', () => {
    const { log, entries } = makeRecordingLog({ format: 'json' });
    log.info('The browser went', { message: 'tab crashed', level: 'high' });
    expect(entries()[0]).to.include({ message: 'The browser went', level: 'info' });
  });
});

describe('makeLog in either format', () => {
  for (const format of ['text', 'json'] as const) {
    it(`hides secrets in ${format} messages, fields, nested fields and child fields (R602)`, () => {
      const { log, lines } = makeRecordingLog({ format });
      log
        .child({ endpoint: `https://ann:${SECRET}@grid.test/` })
        .child({ headers: { cookie: SECRET } })
        .error(`Authorization: Bearer ${SECRET}`, {
          apiKey: SECRET,
          error: new Error(`password=${SECRET}`),
          nested: { list: [{ token: SECRET }] },
        });
      expect(lines).to.have.length(1);
      expect(lines[0]).not.to.contain(SECRET);
    });
  }

  it('writes nothing below its level', () => {
    const { log, lines } = makeRecordingLog({ level: 'warn', format: 'text' });
    log.info('no');
    log.debug('no');
    log.child({ a: 1 }).info('no');
    log.warn('yes');
    expect(lines).to.deep.equal(['warning: yes\n']);
  });

  it('adds the fields of all ancestors to the lines of a child, and only to those', () => {
    const { log, lines } = makeRecordingLog({ format: 'text' });
    const child = log.child({ owner: 'ann' });
    child.child({ epoch: 2 }).info('grandchild', { own: true });
    child.info('child');
    log.info('root');
    expect(lines).to.deep.equal(['grandchild  (owner=ann epoch=2 own=true)\n', 'child  (owner=ann)\n', 'root\n']);
  });

  it('prefers a field of the line to one of its ancestors', () => {
    const { log, entries } = makeRecordingLog({ format: 'json' });
    log.child({ epoch: 1 }).info('moved on', { epoch: 2 });
    expect(entries()[0]).to.include({ epoch: 2 });
  });

  it('does not change the fields that were passed', () => {
    const { log } = makeRecordingLog({ format: 'json' });
    const fields = { token: SECRET };
    log.info('unchanged', fields);
    expect(fields).to.deep.equal({ token: SECRET });
    expect(Object.getOwnPropertySymbols(fields)).to.have.length(0);
  });
});

describe('makeLog with text from a page', () => {
  const HOSTILE =
    'Shop\n{"level":"error","message":"forged"}\r\nerror: forged\u2028error: forged\u001b[2J\u009b31m\u202e';
  // oxlint-disable-next-line no-control-regex
  const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

  for (const format of ['text', 'json'] as const) {
    it(`writes one harmless line in ${format}`, () => {
      const { log, lines } = makeRecordingLog({ format });
      log
        .child({ title: HOSTILE })
        .warn(`The title is ${HOSTILE}`, { list: [HOSTILE], error: new Error(HOSTILE), [HOSTILE]: HOSTILE });
      expect(lines).to.have.length(1);
      expect(lines[0]?.slice(0, -1)).to.contain('forged').and.to.not.match(UNSAFE);
      expect(lines[0]?.at(-1)).to.equal('\n');
    });
  }

  it('preserves its text in JSON', () => {
    const { log, entries } = makeRecordingLog({ format: 'json' });
    log.info(HOSTILE, { title: HOSTILE });
    expect(entries()[0]).to.include({ level: 'info', message: HOSTILE, title: HOSTILE });
  });
});

describe('silentLog', () => {
  it('writes nothing, and neither do its children', () => {
    for (const log of [silentLog, silentLog.child({ a: 1 })]) {
      expect([log.error('x'), log.warn('x'), log.info('x'), log.debug('x')]).to.deep.equal(Array(4).fill(undefined));
    }
  });
});

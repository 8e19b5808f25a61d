import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';

import { expect } from 'chai';

import { CancelledError } from '../../../src/core/errors.ts';
import { LeaseLostError, type RecordEntry } from '../../../src/registry/registry.ts';
import { exportRecords, type ExportOptions } from '../../../src/runs/exports/export.ts';
import { toFileName } from '../../../src/core/file-names.ts';
import { ExportError, type ExportFormat } from '../../../src/runs/runs.ts';
import { temporaryPath } from '../../../src/upkeep/upkeep.ts';
import { rejectionOf } from '../../support/rejection.ts';

const rows = (objects: readonly object[], dataset = 'records'): RecordEntry[] =>
  objects.map((object, index) => ({ dataset, key: String(index), json: JSON.stringify(object) }));

/** A proof that always succeeds. */
const prove = async () => undefined;

describe('Export', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'export-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const exported = (records: Iterable<RecordEntry>, options: Partial<ExportOptions> = {}) =>
    exportRecords(Readable.from(records), { folder, format: 'jsonl', prove, ...options });

  const written = async (objects: readonly object[], format: ExportFormat): Promise<string> => {
    const { outputs, records } = await exported(rows(objects), { format });
    expect(records).to.equal(objects.length);
    expect(outputs).to.deep.equal({ records: path.join(folder, `records.${format}`) });
    return readFileSync(outputs['records']!, 'utf8');
  };

  it('writes JSON lines, one record each, also with line breaks and emoji', async () => {
    const records = [{ text: 'two\nlines\u2028three' }, { text: '👋 "quoted"', nested: { list: [1, null] } }];
    const text = await written(records, 'jsonl');
    expect(text.endsWith('\n')).to.equal(true);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).to.deep.equal(records);
  });

  it('writes CSV according to RFC 4180: CRLF, the sorted union of fields, empty if a record lacks one', async () => {
    expect(
      await written(
        [
          { b: 1, a: 'x' },
          { c: true, a: null },
        ],
        'csv',
      ),
    ).to.equal('a,b,c\r\nx,1,\r\n,,true\r\n');
  });

  it('quotes commas, quotes, and both halves of a line break', async () => {
    const text = await written([{ a: 'x,y', b: 'say "no"', c: 'lf\nhere', d: 'cr\rhere', e: 'both\r\nhere' }], 'csv');
    expect(text).to.equal('a,b,c,d,e\r\n"x,y","say ""no""","lf\nhere","cr\rhere","both\r\nhere"\r\n');
  });

  it('writes nested values as JSON and keeps emoji and other letters', async () => {
    expect(await written([{ list: [1, { deep: 'a"b' }], name: 'Ærøskøbing 🏝️' }], 'csv')).to.equal(
      'list,name\r\n"[1,{""deep"":""a\\""b""}]",Ærøskøbing 🏝️\r\n',
    );
  });

  it('escapes formulas in values and field names, and does not change numbers', async () => {
    const text = await written(
      [{ '=cmd': '=1+1', at: '@SUM(A1)', minus: '-2', number: -2, plus: '+3', tab: '\tx', wide: '＝1' }],
      'csv',
    );
    expect(text).to.equal("'=cmd,at,minus,number,plus,tab,wide\r\n'=1+1,'@SUM(A1),'-2,-2,'+3,'\tx,'＝1\r\n");
  });

  it('accepts fields with the names of inherited properties', async () => {
    expect(
      await written([{ constructor: 1 }, { toString: 2 }, JSON.parse('{"__proto__":3}') as object], 'csv'),
    ).to.equal('__proto__,constructor,toString\r\n,1,\r\n,,2\r\n3,,\r\n');
  });

  it('keeps the row of a record whose only field is empty', async () => {
    expect(await written([{ a: '' }, { a: 'x' }], 'csv')).to.equal('a\r\n""\r\nx\r\n');
  });

  it('writes each dataset to its own file, also if their names give the same file name', async () => {
    // Pairs that file systems treat as the same, because of their case or their form of Unicode.
    const datasets = ['a/b', 'a-b', 'A-B', '가', '가'.normalize('NFD'), 'Maß', 'MASS', 'ſ', 's'];
    const { outputs } = await exported(datasets.flatMap((dataset) => rows([{ dataset }], dataset)));
    const texts = datasets.map((dataset) => readFileSync(outputs[dataset]!, 'utf8'));
    expect(texts).to.deep.equal(datasets.map((dataset) => `${JSON.stringify({ dataset })}\n`));
    const names = Object.values(outputs).map((file) => file.normalize('NFC').toUpperCase());
    expect(new Set(names).size).to.equal(datasets.length);
  });

  it('writes inside the folder with a valid length for every name of a dataset', async () => {
    const datasets = ['../../etc/passwd', '..', '.', '/', 'C:\\x', '__proto__', 'a\u0000b', '長'.repeat(300), '😀'];
    const records = datasets.flatMap((dataset) => rows([{ dataset }], dataset));
    const { outputs } = await exported(records);
    expect(Object.keys(outputs)).to.deep.equal(datasets);
    for (const file of Object.values(outputs)) expect(path.dirname(file)).to.equal(folder);
    expect(readdirSync(folder)).to.have.length(datasets.length);
  });

  it('makes a usable file name from every name', () => {
    expect(['', '...', 'a b/c', 'Größe_1.x', '-x-'].map(toFileName)).to.deep.equal([
      'unnamed',
      'unnamed',
      'a-b-c',
      'Größe_1.x',
      'x',
    ]);
  });

  it('writes no file and leaves nothing behind if one of the datasets cannot be written', async () => {
    writeFileSync(path.join(folder, 'first.jsonl'), 'of an earlier run');
    mkdirSync(path.join(folder, 'second.jsonl'));
    const records = [...rows([{ n: 1 }], 'first'), ...rows([{ n: 2 }], 'second')];
    const error = await rejectionOf(exported(records));
    expect(error).to.be.instanceOf(ExportError);
    expect(error.message).to.contain(path.join(folder, 'second.jsonl'));
    expect(readFileSync(path.join(folder, 'first.jsonl'), 'utf8')).to.equal('of an earlier run');
    expect(readdirSync(folder)).to.deep.equal(['first.jsonl', 'second.jsonl']);
  });

  it('replaces the file of an earlier run', async () => {
    writeFileSync(path.join(folder, 'records.jsonl'), 'old and much longer than the new one');
    expect(await written([{ n: 1 }], 'jsonl')).to.equal('{"n":1}\n');
  });

  it('writes no file if there are no records', async () => {
    expect(await exported([], { format: 'csv' })).to.deep.equal({ outputs: {}, records: 0, warnings: [] });
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('writes compressed JSON lines, as one gzip member', async () => {
    const records = [{ n: 1 }, { text: '長👋' }];
    const { outputs } = await exported(rows(records), { format: 'jsonl.gz' });
    expect(outputs).to.deep.equal({ records: path.join(folder, 'records.jsonl.gz') });
    const bytes = readFileSync(outputs['records']!);
    expect(gunzipSync(bytes).toString()).to.equal('{"n":1}\n{"text":"長👋"}\n');
    expect(bytes.lastIndexOf(Buffer.from([0x1f, 0x8b, 0x08]))).to.equal(0);
  });

  for (const format of ['jsonl', 'jsonl.gz'] as const) {
    it(`writes more datasets than it opens files at a time, record by record in turns, as ${format}`, async () => {
      const datasets = Array.from({ length: 34 }, (_unused, index) => `d${index}`);
      const text = 'x'.repeat(66_000);
      const records = [1, 2].flatMap((n) => datasets.flatMap((dataset) => rows([{ n, text }], dataset)));
      const { outputs } = await exported(records, { format });
      const expected = `{"n":1,"text":"${text}"}\n{"n":2,"text":"${text}"}\n`;
      for (const file of Object.values(outputs)) {
        const bytes = readFileSync(file);
        const plain = (format === 'jsonl.gz' ? gunzipSync(bytes) : bytes).toString();
        expect(plain === expected, file).to.equal(true);
      }
      expect(readdirSync(folder)).to.have.length(34);
    });
  }

  it('reads only a part of the records before it writes', async () => {
    let read = 0;
    const sizes = new Set<number>();
    const records = async function* () {
      for (; read < 2_000; read += 1) {
        yield { dataset: 'records', key: `${read}`, json: JSON.stringify({ text: 'x'.repeat(1_000) }) };
        if (read % 100 === 0) sizes.add(sum(readdirSync(folder).map((name) => statSync(path.join(folder, name)).size)));
      }
    };
    await exportRecords(records(), { folder, format: 'jsonl', prove });
    expect(sizes.size).to.be.above(10);
  });

  const OLD = 'of an earlier run';
  const left = () => readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]);

  for (const format of ['jsonl', 'jsonl.gz', 'csv'] as const) {
    it(`replaces nothing and leaves nothing if another process has the run, as ${format}`, async () => {
      writeFileSync(path.join(folder, `records.${format}`), OLD);
      const lost = new LeaseLostError('lost');
      const export_ = exported(rows([{ n: 1 }]), { format, prove: () => Promise.reject(lost) });
      expect(await rejectionOf(export_)).to.equal(lost);
      expect(left()).to.deep.equal([[`records.${format}`, OLD]]);
    });

    it(`replaces nothing and leaves nothing if it is aborted, as ${format}`, async () => {
      writeFileSync(path.join(folder, `records.${format}`), OLD);
      const stop = new AbortController();
      const records = async function* () {
        yield* rows([{ text: 'x'.repeat(100_000) }]);
        stop.abort(new CancelledError());
        yield* rows([{ n: 2 }]);
      };
      const options = { folder, format, prove, signal: stop.signal };
      expect(await rejectionOf(exportRecords(records(), options))).to.equal(stop.signal.reason);
      expect(left()).to.deep.equal([[`records.${format}`, OLD]]);
    });
  }

  it('refuses to replace a symbolic link, a folder or a pipe, and does not change the target of the link', async () => {
    const other = path.join(folder, 'other');
    writeFileSync(other, OLD);
    for (const make of [
      (file: string) => symlinkSync(other, file),
      (file: string) => symlinkSync(path.join(folder, 'missing'), file),
      (file: string) => mkdirSync(file),
      (file: string) => execFileSync('mkfifo', [file]),
    ]) {
      const file = path.join(folder, 'records.jsonl');
      make(file);
      const error = await rejectionOf(exported(rows([{ n: 1 }])));
      expect(error).to.be.instanceOf(ExportError);
      expect(error.message).to.match(/records\.jsonl is .+, and an export replaces only regular files\. Remove it/);
      rmSync(file, { recursive: true });
      expect(readdirSync(folder)).to.deep.equal(['other']);
    }
    expect(readFileSync(other, 'utf8')).to.equal(OLD);
  });

  it('removes the temporary files of killed programs, and no others', async () => {
    const own = temporaryPath(folder);
    const ofDead = own.replace(`-${process.pid}-`, '-999999999-');
    const ofOtherHost = ofDead.replace(/unfinished-[\da-f]{8}/, 'unfinished-00000000');
    const similar = `${ofDead}.txt`;
    for (const file of [own, ofDead, ofOtherHost, similar]) writeFileSync(file, OLD);
    await exported(rows([{ n: 1 }]));
    const others = [own, ofOtherHost, similar].map((file) => path.basename(file));
    expect(readdirSync(folder)).to.have.members([...others, 'records.jsonl']);
  });

  it('names the file for which the disk is full', async () => {
    const error = await rejectionOf(exported(rows([{ n: 1 }]), { folder: '/proc/self' }));
    expect(error).to.be.instanceOf(ExportError);
    expect(error.message).to.contain('/proc/self/records.jsonl could not be written: ');
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

import { expect } from 'chai';
import { array, assert, constantFrom, integer, nat, oneof, property, string, tuple } from 'fast-check';

import { widthOf, shorten } from '../../../src/cli/terminal/text-width.ts';
import {
  renderColumns,
  renderFields,
  renderLines,
  renderTable,
  type Column,
} from '../../../src/cli/terminal/text-table.ts';
import { toSafeLine, toSafeText } from '../../../src/cli/terminal/safe-text.ts';
import { describeAgo, describeDuration, describeSpan, describeTime } from '../../../src/core/describe-time.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID', least: 8 },
  { title: 'STATUS' },
  { title: 'NAME', least: 6 },
  { title: 'NUMBER', isNumber: true },
];
/** Names of all kinds: with narrow and wide characters, control characters and surrogate pairs. */
const anyCell = oneof(
  string({ unit: 'grapheme', maxLength: 200 }),
  string({ unit: constantFrom('a', '漢', '😀', '\n', '\u001b', '\u202e', ' '), maxLength: 200 }),
);
const anyRow = tuple(anyCell, constantFrom('active', 'process gone'), anyCell, nat().map(String));

describe('columns of a table', () => {
  it('are never wider than the terminal, and never more than a line, whatever they contain', () => {
    assert(
      property(array(anyRow, { maxLength: 8 }), constantFrom(40, 80, 120), (rows, width) => {
        const lines = renderColumns(COLUMNS, rows, width).split('\n');
        expect(lines.pop()).to.equal('');
        expect(lines).to.have.length(rows.length + 1);
        for (const line of lines) expect(widthOf(line), JSON.stringify(line)).to.be.at.most(width);
      }),
    );
  });

  it('are below their titles, with numbers aligned right, and are not shortened if they fit', () => {
    const rows = [
      ['1234567890', 'ended', 'ann', '7'],
      ['漢字', 'dead', 'bob', '12345678'],
    ];
    expect(renderColumns(COLUMNS, rows, 80)).to.equal(
      [
        'ID          STATUS  NAME    NUMBER',
        '1234567890  ended   ann          7',
        '漢字        dead    bob   12345678',
        '',
      ].join('\n'),
    );
  });

  it('shorten the widest columns that may be shortened, and no others', () => {
    const table = renderColumns(COLUMNS, [['i'.repeat(30), 'process gone', 'n'.repeat(12), '1234567']], 50);
    const [, row = ''] = table.split('\n');
    expect(widthOf(row)).to.equal(50);
    expect(row).to.match(/^i+…i+ {2}process gone {2}n{12} {2}1234567$/);
  });

  it('have narrower gaps, then are left out from the end if they are optional', () => {
    const columns: readonly Column[] = [
      ...COLUMNS.slice(0, 3),
      { title: 'SIZE', isOptional: true },
      { title: 'AGE' },
      { title: 'TOOK', isOptional: true },
    ];
    const cells = ['1234567890', 'process gone', 'ann', '8 MB', '3 min', '10 s'];
    const titlesAt = (width: number) => renderColumns(columns, [cells], width).split('\n')[0];
    expect([47, 46, 40, 36, 34].map(titlesAt)).to.deep.equal([
      'ID        STATUS        NAME  SIZE  AGE    TOOK',
      'ID         STATUS       NAME SIZE AGE   TOOK',
      'ID         STATUS       NAME SIZE AGE',
      'ID         STATUS        NAME  AGE',
      'ID         STATUS       NAME AGE',
    ]);
  });

  it('are rendered for more rows than a call allows arguments', () => {
    const rows = Array.from({ length: 200_000 }, (_unused, number) => [`${number}`, 'ended', 'ann', '1']);
    expect(renderColumns(COLUMNS, rows, 80).length).to.be.above(200_000);
  });
});

describe('a shortened name', () => {
  it('has the beginning and the end of the name, and fits', () => {
    assert(
      property(anyCell, integer({ min: 1, max: 60 }), (text, width) => {
        const short = shorten(text, width);
        expect(widthOf(short)).to.be.at.most(width);
        if (widthOf(text) <= width) expect(short).to.equal(text);
        else {
          const [head, tail] = [short.slice(0, short.lastIndexOf('…')), short.slice(short.lastIndexOf('…') + 1)];
          if (!text.includes('…')) expect([text.startsWith(head), text.endsWith(tail)]).to.deep.equal([true, true]);
        }
      }),
    );
    expect(shorten('20261127-041425-6ea71d', 14)).to.equal('202611…-6ea71d');
    expect(shorten('漢漢漢漢', 6)).to.equal('漢…漢');
  });
});

describe('fields', () => {
  it('are a name with its texts wrapped beside it, and are left out without a text', () => {
    const text = 'word '.repeat(40).trim();
    const rows = renderTable([{ name: 'what', texts: [text, 'second'] }], 40).split('\n');
    expect(rows[0]).to.match(/^what {2}word/);
    expect(rows.slice(1, -2).every((line) => line.startsWith('      word'))).to.equal(true);
    expect(rows.at(-2)).to.equal('      second');
    for (const row of rows) expect(row.length).to.be.at.most(40);
    expect(
      renderFields(
        [
          ['empty', []],
          ['none', null],
          ['is', 'there'],
        ],
        [],
      ),
    ).to.equal('is  there\n');
  });

  it('do not break a command, or a word longer than a line, so that it can be copied', () => {
    const [url, command] = [`http://127.0.0.1/${'x'.repeat(200)}`, `npm run action -- ${'y '.repeat(100)}z`];
    const text = renderFields([['page', `see ${url} there`]], [command]);
    expect(text).to.include(` ${url}\n`).and.include(`next  ${command}\n`);
    expect(renderLines(['Do it:', `  ${command}`], 40)).to.equal(`Do it:\n  ${command}\n`);
  });

  it('are below their names if the terminal is very narrow', () => {
    expect(renderTable([{ name: 'a long name', texts: ['one two'] }], 20)).to.equal('a long name\n  one two\n');
  });
});

describe('a foreign text', () => {
  it('is shown without secrets and without control sequences', () => {
    expect(toSafeLine('a\u001b[31mred\u0007\r\nb\u202ec')).to.equal('a [31mred   b c');
    expect(toSafeText('one\r\ntwo\u0000')).to.equal('one\ntwo ');
    expect(toSafeLine('at https://ann:pw@host/ with token=abc')).to.equal('at https://***@host/ with token=***');
  });
});

describe('times in words', () => {
  const NOW = Date.parse('2026-11-27T12:00:00.000Z');

  it('are durations in one unit, at least two of it', () => {
    const spans = [0, 119_999, 120_000, 7_199_999, 7_200_000, 172_799_999, 172_800_000].map(describeSpan);
    expect(spans).to.deep.equal(['0 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 d']);
    expect(describeDuration(1_249)).to.equal('1.2 s');
    expect(describeTime('2026-11-27T11:57:00.000Z', NOW)).to.equal('2026-11-27T11:57:00.000Z (3 min ago)');
  });

  it('are right for a clock that was set back and for a row without a time', () => {
    expect(describeAgo('2026-11-27T12:30:00.000Z', NOW)).to.equal('0 s ago');
    expect(describeDuration(-500)).to.equal('0.0 s');
    expect([describeAgo(null), describeAgo('yesterday'), describeSpan(Number.NaN)]).to.deep.equal(['–', '–', '–']);
  });
});

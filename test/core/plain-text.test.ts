import { expect } from 'chai';
import { assert, property, string } from 'fast-check';
import { toPlainJson, toPlainLine, toPlainText } from '../../src/core/plain-text.ts';

/** Escape sequences, the 8-bit controls, a title, a link, the clipboard, reversed text, other line breaks. */
const HOSTILE =
  '\u001b[2J\u001b[31mred \u009b31m \u001b]0;title\u0007 \u001b]8;;https://evil.test\u001b\\link \u001b]52;c;ZXZpbA==\u0007 ' +
  '\u202egnp.exe\u202c \u2066a\u2069 \u2028 \u2029 \u0085 \r over \b\u007f\ufeff\u200e\u0000';
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

describe('Plain text', () => {
  for (const [name, toPlain] of Object.entries({ toPlainLine, toPlainText })) {
    it(`contains nothing that controls a terminal (${name})`, () => {
      expect(toPlain(HOSTILE)).to.contain('[31mred ').and.contain(']8;;https://evil.test').and.not.match(UNSAFE);
      assert(property(string({ unit: 'binary' }), (text) => !UNSAFE.test(toPlain(text))));
    });
  }

  it('preserves letters of all scripts, emoji of several parts, and accents', () => {
    for (const text of ['Größe 漢字 مرحبا नमस्ते', '👩‍👩‍👧 e\u0301', 'می\u200cخواهم']) {
      expect(toPlainLine(text)).to.equal(text);
      expect(toPlainText(text)).to.equal(text);
      expect(toPlainJson(JSON.stringify(text))).to.equal(JSON.stringify(text));
    }
  });

  it('is one line, or preserves its line breaks and tabs', () => {
    expect(toPlainLine('a\nb\r\nc\td')).to.equal('a b  c d');
    expect(toPlainText('a\nb\r\nc\td\re')).to.equal('a\nb\nc\td e');
  });

  it('is JSON with the same value', () => {
    assert(
      property(string({ unit: 'binary' }), (text) => {
        const json = toPlainJson(JSON.stringify({ text }));
        expect(JSON.parse(json)).to.deep.equal({ text });
        expect(json).to.not.match(UNSAFE).and.to.not.contain('\n');
      }),
    );
    expect(JSON.parse(toPlainJson(JSON.stringify(`\u{e0041}${HOSTILE}`)))).to.equal(`\u{e0041}${HOSTILE}`);
  });
});

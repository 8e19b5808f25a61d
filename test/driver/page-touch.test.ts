import { expect } from 'chai';

import { touch, UNTOUCHED } from '../../src/driver/state/page-touch.ts';

const run = (script: string) => touch(UNTOUCHED, 'POST /execute/sync', { script, args: [] });

describe('touch', () => {
  for (const script of [
    'window.seen = 1',
    'window.seen ??= 0; window.seen++',
    'globalThis["helper"] = () => 1; return 2',
    'window.app.count += 1',
    'window.confirm = () => true;',
    'Array.prototype.last = function () {}',
    'document.querySelector("a").addEventListener("click", f)',
    'Object.assign(window, { seen: 1 })',
  ]) {
    it(`detects that a script leaves something in the page's memory: ${script}`, () => {
      expect(run(script)).to.deep.equal({ isTouched: true, hasMemory: true });
    });
  }

  for (const script of [
    'return window.seen === 1',
    'return window.items.filter((item) => item.price >= 3)',
    'window.scrollTo(0, document.body.scrollHeight)',
    'window.location.href = "/next"',
    'window.location = "/next"',
    'const text = document.title; return text',
    'document.querySelector("input").value = "x"',
    'return window.a == window.b || window.c != window.d',
  ]) {
    it(`detects that a script does not: ${script}`, () => {
      expect(run(script)).to.deep.equal({ isTouched: true, hasMemory: false });
    });
  }

  it('preserves the result of earlier commands', () => {
    const scripted = run('window.seen = 1');
    expect(touch(scripted, 'POST /element/{id}/click', {})).to.deep.equal(scripted);
  });

  it("ignores selenium's own scripts and commands that only read", () => {
    expect(run('/* getAttribute */return (function(){window.x = 1})()')).to.equal(UNTOUCHED);
    expect(touch(UNTOUCHED, 'GET /title', undefined)).to.equal(UNTOUCHED);
  });
});

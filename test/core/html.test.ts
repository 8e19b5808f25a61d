import { expect } from 'chai';

import { html, toImageAddress } from '../../src/core/html.ts';
import { toHtmlPage } from '../../src/core/html-page.ts';

describe('HTML', () => {
  it('escapes every text in it, and no other HTML', () => {
    const item = html`<b title="${`"'\``}">${'<script>&'}</b>`;
    expect(html`${[item, [item]]}${null}${undefined}${7}`.text).to.equal(
      `${'<b title="&quot;&#39;&#96;">&lt;script&gt;&amp;</b>'.repeat(2)}7`,
    );
  });

  it('has no control character and no character that reverses the order of others', () => {
    expect(html`${'a\u001B[31m\u202Eb\nc\uD800'}`.text).to.equal('a [31m b\nc\uFFFD');
  });

  it('has pictures only as base64', () => {
    expect(toImageAddress('jpeg', 'UE5H')).to.equal('data:image/jpeg;base64,UE5H');
    for (const text of ['', 'x" onerror="y', 'https://evil/']) expect(toImageAddress('png', text)).to.equal(undefined);
  });

  it('forbids scripts and everything from outside, in every page', () => {
    const page = toHtmlPage({ title: '<t>', body: html`<h1>x</h1>`, facts: { run: '"' } });
    expect(page).to.include('<title>&lt;t&gt;</title>').and.include('<meta name="run" content="&quot;"');
    expect(page).to.include('content="default-src &#39;none&#39;; img-src data:; style-src &#39;unsafe-inline&#39;;');
  });
});

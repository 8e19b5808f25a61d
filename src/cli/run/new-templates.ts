/** The files that `new` writes. Both pass the project's own checks without changes. */

export function actionTemplate(name: string): string {
  return `/** Describe here, in a line or two, what this action does and what it leaves out. */
import { By, defineAction, z } from 'webdriver-supervisor';

export default defineAction({
  name: '${name}',
  description: 'Saves the title and the headings of a page.',
  params: z.object({
    url: z.url().describe('the page'),
  }),

  baseUrl: ({ url }) => url,

  // Runs once on every new browser session, also after a restart: log in here.
  // async prepare({ driver, params }) {
  //   await driver.get(new URL('/login', params.url).href);
  // },

  async run({ driver, params, step }) {
    // A step that is finished is not done again after a restart: its value and its records are stored. So a step
    // returns what the code after it needs, and changes no variable that is declared outside of it.
    const headings = await step('headings', async () => {
      await driver.get(params.url);
      const elements = await driver.findElements(By.css('h1, h2'));
      return Promise.all(elements.map((element) => element.getText()));
    });

    // A step loads the page that it needs, and finds its elements itself.
    await step('title', async ({ save }) => {
      await driver.get(params.url);
      save({ url: params.url, title: await driver.getTitle(), headings }, { key: params.url });
    });
  },
});
`;
}

export function testTemplate(name: string): string {
  return `import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { rehearseAction, runAction } from 'webdriver-supervisor';

import action from '../../actions/${name}.ts';

const PAGE = '<!doctype html><title>A page</title><h1>Hello</h1><h2>World</h2>';

describe('the action ${name}', function () {
  this.timeout(60_000);
  const site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end(PAGE);
  });
  let url = '';

  before(async () => {
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = \`http://127.0.0.1:\${(site.address() as AddressInfo).port}/\`;
  });

  after(async () => {
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  it('saves one record for the page', async () => {
    const outcome = await runAction(action, { url }, { output: false });
    assert.equal(outcome.error, null);
    assert.equal(outcome.status, 'completed');
    assert.equal(outcome.records, 1);
  });

  it('saves the same data when its browser is killed in the middle', async () => {
    const { differences, kills } = await rehearseAction(action, { url }, { output: false });
    assert.deepEqual(differences, []);
    assert.ok(kills > 0);
  });
});
`;
}

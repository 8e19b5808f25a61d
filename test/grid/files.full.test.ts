import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By } from 'selenium-webdriver';
import { z } from 'zod';

import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import type { Grid } from '../../scripts/grid/open-grid.ts';
import { defineAction, runAction } from '../../src/runs/runs.ts';
import { openGridOrSkip } from './support.ts';

describe('The files of a session on a Grid', function () {
  let grid: Grid;

  before(async function () {
    grid = await openGridOrSkip(this, { nodes: 1, slots: 1 });
  });

  after(() => grid?.[Symbol.asyncDispose]());

  it('are uploaded to the node if their absolute path is typed, and other text is typed as it is', async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'upload-'));
    const file = path.join(folder.path, 'report.csv');
    await writeFile(file, '1,2,3\n');
    await using supervisor = await SessionSupervisor.start({ gridUrl: grid.url });
    const { driver } = supervisor;
    await driver.get('data:text/html,<input id=file type=file><input id=text>');
    await driver.findElement(By.id('file')).sendKeys(file);
    const content = 'return document.getElementById("file").files[0].text()';
    expect(await driver.executeScript(content)).to.equal('1,2,3\n');
    expect(await driver.findElement(By.id('file')).getProperty('value')).to.contain('report.csv');
    await driver.findElement(By.id('text')).sendKeys('package.json');
    expect(await driver.findElement(By.id('text')).getProperty('value')).to.equal('package.json');
  });

  it('has the name of its action and its run, unless the capabilities have another name', async () => {
    const names: unknown[] = [];
    const action = defineAction({
      name: 'look',
      description: 'Reads the name of its session.',
      params: z.object({}),
      run: async ({ driver }) => void names.push((await driver.getCapabilities()).get('se:name')),
    });
    const { runId } = await runAction(action, {}, { output: false, supervisor: { gridUrl: grid.url } });
    const capabilities = { 'se:name': 'nightly' };
    await runAction(action, {}, { output: false, supervisor: { gridUrl: grid.url, capabilities } });
    expect(names).to.deep.equal([`look ${runId}`, 'nightly']);
  });
});

/** The scripted WebDriver server of the benchmark of many sessions, in a process of its own. Each message ends all sessions. */
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

const server = await openScriptedWebDriver();
process.on('message', () => {
  server.endSession();
  process.send?.('ended');
});
process.once('disconnect', () => void server.close());
process.send?.(server.url);

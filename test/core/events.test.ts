import { expect } from 'chai';
import { Events } from '../../src/core/events.ts';

interface TestEvents {
  'door:opened': { readonly by: string };
  'door:closed': Record<string, never>;
}

/** Makes events that record the failures of their listeners. */
function makeEvents() {
  const failures: string[] = [];
  const events = new Events<TestEvents>((error, event) => failures.push(`${event}: ${error.message}`));
  return { events, failures };
}

describe('Events', () => {
  it('calls the listeners of an event in the order of their subscription, and no others', () => {
    const { events } = makeEvents();
    const calls: string[] = [];
    events.on('door:opened', ({ by }) => calls.push(`first ${by}`));
    events.on('door:opened', ({ by }) => calls.push(`second ${by}`));
    events.on('door:closed', () => calls.push('closed'));
    events.emit('door:opened', { by: 'Ann' });
    expect(calls).to.deep.equal(['first Ann', 'second Ann']);
  });

  it('emits without listeners and without an error', () => {
    const { events, failures } = makeEvents();
    events.emit('door:closed', {});
    expect(failures).to.deep.equal([]);
  });

  it('reports a listener that throws, and still calls the others', () => {
    const { events, failures } = makeEvents();
    const calls: string[] = [];
    events.on('door:opened', () => {
      throw new Error('broken listener');
    });
    events.on('door:opened', () => calls.push('called'));
    events.emit('door:opened', { by: 'Ann' });
    expect(calls).to.deep.equal(['called']);
    expect(failures).to.deep.equal(['door:opened: broken listener']);
  });

  it('reports a listener with a promise that rejects, without an unhandled rejection', async () => {
    const { events, failures } = makeEvents();
    // oxlint-disable-next-line typescript/no-misused-promises -- users do this
    events.on('door:opened', () => Promise.reject(new Error('broken later')));
    events.emit('door:opened', { by: 'Ann' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).to.deep.equal(['door:opened: broken later']);
  });

  it('ignores an error of the error handler', () => {
    const events = new Events<TestEvents>(() => {
      throw new Error('the log is broken too');
    });
    const calls: string[] = [];
    events.on('door:closed', () => {
      throw new Error('broken listener');
    });
    events.on('door:closed', () => calls.push('called'));
    events.emit('door:closed', {});
    expect(calls).to.deep.equal(['called']);
  });

  it('ends one subscription by its disposer, which can be called repeatedly', () => {
    const { events } = makeEvents();
    const calls: string[] = [];
    const dispose = events.on('door:closed', () => calls.push('disposed'));
    events.on('door:closed', () => calls.push('kept'));
    dispose();
    dispose();
    events.emit('door:closed', {});
    expect(calls).to.deep.equal(['kept']);
  });

  it('treats the same function subscribed twice as two subscriptions', () => {
    const { events } = makeEvents();
    let calls = 0;
    const listener = () => void (calls += 1);
    const dispose = events.on('door:closed', listener);
    events.on('door:closed', listener);
    events.emit('door:closed', {});
    dispose();
    events.emit('door:closed', {});
    expect(calls).to.equal(3);
  });

  it('allows a listener to unsubscribe itself or to subscribe another one while it is called', () => {
    const { events } = makeEvents();
    const calls: string[] = [];
    const dispose = events.on('door:closed', () => {
      calls.push('once');
      dispose();
      events.on('door:closed', () => calls.push('late'));
    });
    events.on('door:closed', () => calls.push('always'));
    events.emit('door:closed', {});
    expect(calls).to.deep.equal(['once', 'always']);
    events.emit('door:closed', {});
    expect(calls).to.deep.equal(['once', 'always', 'always', 'late']);
  });
});

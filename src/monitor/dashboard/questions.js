/** What is asked before something is changed: what will happen, to what, and how to go on afterwards. */
import { toCountText } from './format.js';
import { toResumeCommand } from './runs.js';
import { tellStuck, toStuckId } from './sessions.js';

/** @param {(question: object) => void} ask */
export function makeQuestions(ask) {
  return {
    endSession(session) {
      const run = session.run_id === null ? [] : [`Run ${session.run_id} is using it.`];
      ask({
        title: 'End this session?',
        text: [`The browser session of “${session.owner}” on ${session.host} will be ended.`, ...run],
        confirm: 'End session',
        path: `/sessions/${encodeURIComponent(session.id)}/end`,
        done: `The session of ${session.owner} is being ended.`,
      });
    },

    cancelRun(run) {
      const { done, total } = run.counts;
      ask({
        title: 'Cancel this run?',
        text: [
          `${run.action} of “${run.owner}” will be cancelled; ${done} of ${total} steps are done, and kept.`,
          `To go on later: ${toResumeCommand(run)}`,
        ],
        confirm: 'Cancel run',
        path: `/runs/${encodeURIComponent(run.id)}/cancel`,
        done: `${run.action} of ${run.owner} is being cancelled.`,
      });
    },

    resetStuck(stuck, { isAll = false } = {}) {
      const number = toCountText(stuck.length, 'stuck session');
      ask({
        title: isAll ? `Reset all ${number}?` : 'Reset this stuck session?',
        text: [
          'Each will be marked as timed out and its browser ended. Data is kept; a run can be resumed.',
          ...(isAll ? ['What gets stuck until then is reset as well.'] : []),
        ],
        items: stuck.map(tellStuck),
        confirm: isAll ? 'Reset all' : 'Reset',
        path: '/reset-stuck',
        body: isAll ? {} : { ids: stuck.map(toStuckId) },
        done: `Reset ${number}.`,
      });
    },
  };
}

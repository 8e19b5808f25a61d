/** The deaths of the chart as a table: for whoever doesn't see the chart, and for reading what each one said. */
import { byId, setText } from './dom.js';
import { toCountText } from './format.js';
import { foreignColumn, makeTable, runColumn, timeColumn } from './table.js';

export function makeDeathsView() {
  const host = byId('deaths');
  const details = byId('deaths-details');
  const show = makeTable(details.querySelector('.scroll'), {
    caption: 'Deaths, newest first',
    keyOf: ({ key }) => key,
    columns: [
      timeColumn('When', ({ at }) => at),
      foreignColumn('Cause', ({ cause }) => cause, { isHead: true }),
      foreignColumn('Noticed by', (death) => death.detected_by),
      foreignColumn('Owner', ({ owner }) => owner, { className: 'narrow' }),
      foreignColumn('What was said', ({ message }) => message, { className: 'rest', textClass: 'clamp' }),
      runColumn('Run', (death) => death.run_id),
    ],
  });

  return ({ deaths }) => {
    const numbers = new Map();
    const rows = deaths.map((death) => {
      // Two may have died in the same millisecond.
      const base = `${death.at} ${death.session_id}`;
      const number = (numbers.get(base) ?? 0) + 1;
      numbers.set(base, number);
      return { ...death, key: `${base} ${number}` };
    });
    show(rows.sort((one, other) => Date.parse(other.at) - Date.parse(one.at)));
    details.querySelector('.empty').hidden = deaths.length > 0;
    setText(host.querySelector('.note'), toCountText(deaths.length, 'death'));
  };
}

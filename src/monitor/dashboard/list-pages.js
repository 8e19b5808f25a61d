/** The lists of runs and sessions. The monitor searches, filters and pages them by the query in the hash of the address. */
import { known, PAGE_ROWS, staleness } from './facts.js';
import { html, nothing } from './lit.js';
import { section } from './parts.js';
import { route, toHref } from './route.js';
import { runsTable } from './runs.js';
import { sessionsTable } from './sessions.js';
import { toWords } from './format.js';

/** @import { Run, Session } from './api.js' */

/** @type {Run['status'][]} */
const RUN_STATUSES = ['pending', 'processing', 'completed', 'partial', 'failed', 'halted', 'timed_out', 'cancelled'];
/** @type {(Session['status'] | 'live')[]} */
const SESSION_STATUSES = ['live', 'starting', 'active', 'standby', 'ended', 'dead', 'timed_out', 'expired'];

export const runsPage = () =>
  listPage({ name: 'runs', title: 'Runs', search: 'Id, action or owner', statuses: RUN_STATUSES }, (none) =>
    runsTable(known.runs?.runs ?? [], none),
  );

export const sessionsPage = () =>
  listPage({ name: 'sessions', title: 'Sessions', search: 'Id or owner', statuses: SESSION_STATUSES }, (none) =>
    sessionsTable(known.sessions?.sessions ?? [], { caption: 'Sessions, newest first', none }),
  );

/**
 * @param {{ name: 'runs' | 'sessions', title: string, search: string, statuses: readonly string[] }} list
 * @param {(none: string) => import('./parts.js').Content} rows
 */
function listPage({ name, title, search, statuses }, rows) {
  const answer = known[name];
  const filter = ['search', 'status', 'owner'].map((field) => /** @type {const} */ ([field, route.query.get(field)]));
  const values = Object.fromEntries(filter);
  const isFiltered = filter.some(([, value]) => value);
  const isFirst = !route.query.get('after');
  const none =
    answer === undefined ? 'Loading…' : isFiltered || !isFirst ? 'Nothing matches.' : 'There is nothing yet.';
  const apply = (/** @type {Event} */ event) => {
    event.preventDefault();
    const fields = /** @type {[string, string][]} */ ([
      ...new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)),
    ]);
    location.hash = toHref(name, Object.fromEntries(fields.map(([field, value]) => [field, value.trim()])));
  };
  return section(
    { id: 'list', title, stale: staleness(name) },
    html`<form class="filters" role="search" @submit=${apply} @change=${apply}>
      <label class="field"
        >${search}
        <input type="search" name="search" autocomplete="off" spellcheck="false" .value=${values['search'] ?? ''} />
      </label>
      <label class="field"
        >Status
        <select name="status">
          <option value="">all</option>
          ${statuses.map(
            (status) =>
              html`<option value=${status} .selected=${status === values['status']}>${toWords(status)}</option>`,
          )}
        </select>
      </label>
      <label class="field"
        >Owner, in full
        <input name="owner" autocomplete="off" spellcheck="false" .value=${values['owner'] ?? ''} />
      </label>
      <button class="button">Show</button>
      ${isFiltered ? html`<a href=${toHref(name)}>Show all</a>` : nothing}
    </form>`,
    rows(none),
    html`<nav class="paging" aria-label="Parts of the list">
      ${isFirst ? nothing : html`<a href=${toHref(name, values)}>Newest</a>`}
      ${
        answer?.next
          ? html`<a href=${toHref(name, { ...values, after: answer.next })}>Next ${PAGE_ROWS}, older</a>`
          : nothing
      }
    </nav>`,
  );
}

import { SupervisorError } from '../../core/errors.ts';
import type { PageRefusal } from './page-gate.ts';

/** A command needed the page of the previous session, and that page can't be opened as it was. */
export class PageNotRestoredError extends SupervisorError {
  readonly code = 'page-not-restored';
  readonly consequence = 'fail-step';

  constructor({ leftBy, reason, url }: PageRefusal) {
    super(
      `This command needs the page that ${leftBy} left${url === undefined ? '' : ` (${url})`}, and that page can't be opened as it was: ` +
        `${reason}. Open a page with \`driver.get\` after \`restart()\`, or start the supervisor with \`restore: { page: false }\`.`,
      { data: { reason, url: url ?? null } },
    );
  }
}

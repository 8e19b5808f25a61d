/** The message about a page that a finished step had left and that can't be opened again. */
import type { PageRefusal } from '../../supervisor/supervisor.ts';

/** Returns the message. `sender` names the code that sends the command, and starts the sentence. */
export function describeLostPage(sender: string, { leftBy, reason, url }: PageRefusal): string {
  return (
    `${sender} continues on the page that ${leftBy} left${url === undefined ? '' : ` (${url})`}, and after the session's ` +
    `death that page can't be opened again: ${reason}. Do both in one step, or let the step begin with \`driver.get\`. ` +
    'This run continues with `--resume` and `--redo`, which does the earlier step again.'
  );
}

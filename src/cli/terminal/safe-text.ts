/** Foreign text, such as that of pages and rows, for a terminal: without secrets and without characters that a terminal interprets. */
import { toPlainLine, toPlainText } from '../../core/plain-text.ts';
import { redactText } from '../../core/redact.ts';

/** Returns the text as one line. */
export function toSafeLine(text: string): string {
  return toPlainLine(redactText(text));
}

/** Returns the text with its line breaks. */
export function toSafeText(text: string): string {
  return toPlainText(redactText(text));
}

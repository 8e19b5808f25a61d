/**
 * The connection is gone. Either the browser is gone too, and its death is declared soon, or only the connection broke and is being
 * restored.
 */
export class DevToolsClosedError extends Error {}

/** The page can't be reached, and a retry does not help. The message is a clause for the middle of a sentence that gives the reason. */
export class PageUnreachableError extends Error {}

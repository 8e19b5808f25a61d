/** Recognises the sessions of a Selenium Grid by their capabilities. */

/** A Grid adds capabilities of its own to those of the browser. */
export function isOnGrid(names: Iterable<string>): boolean {
  return [...names].some((name) => name.startsWith('se:'));
}

/** Returns the URL of a Grid's own page about a session, without credentials; undefined if the session is not on a Grid. */
export function liveViewOf(
  endpointUrl: string,
  { sessionId, capabilities }: { readonly sessionId: string; readonly capabilities: Readonly<Record<string, unknown>> },
): string | undefined {
  if (!isOnGrid(Object.keys(capabilities))) return undefined;
  const { origin, pathname } = new URL(endpointUrl);
  const base = pathname.replace(/\/$/, '').replace(/\/wd\/hub$/, '');
  return `${origin}${base}/ui/#/session/${encodeURIComponent(sessionId)}`;
}

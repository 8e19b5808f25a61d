/** The one BiDi connection that selenium keeps for a driver, outside of the driver object (4.49). */
declare module 'selenium-webdriver/lib/bidi_connection.js' {
  import type { WebDriver } from 'selenium-webdriver';

  /** Closes the driver's BiDi connection, if it opened one; never opens one, never rejects. */
  export function closeBidiConnection(driver: WebDriver): Promise<void>;
}

/** The part of selenium for remote browsers that its types leave out (4.49). */
declare module 'selenium-webdriver/remote/index.js' {
  import type { FileDetector as Base } from 'selenium-webdriver';

  /** Sends a file that is typed into a field to the browser's machine. */
  export class FileDetector extends Base {}
}

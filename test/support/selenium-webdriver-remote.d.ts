/** The part of selenium-webdriver for remote browsers that its types (4.49) lack. */
declare module 'selenium-webdriver/remote/index.js' {
  import type { FileDetector as Base } from 'selenium-webdriver';

  /** Uploads a file whose path is typed into a field to the browser's machine. */
  export class FileDetector extends Base {}
}

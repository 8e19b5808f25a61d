#!/usr/bin/env node
/**
 * The program `webdriver-supervisor`. It has no static imports, so that a Node.js that is too old for the modules of the package is refused in
 * words before it loads one of them.
 */
const OLDEST_MINOR_OF_22 = 18;
const SQLITE_WARNING = /^SQLite is an experimental feature/;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major >= 24 || (major === 22 && minor >= OLDEST_MINOR_OF_22)) {
  dropWarning(SQLITE_WARNING);
  void import('./main.ts');
} else {
  console.error(
    `webdriver-supervisor needs Node.js 22.${OLDEST_MINOR_OF_22} or a later 22, or 24 and later; this is ${process.versions.node}. To add it to a project: npm install --save-dev node@24`,
  );
  process.exitCode = 2;
}

/** Keeps the warnings of Node.js that match `pattern` from stderr. All others stay. */
function dropWarning(pattern: RegExp): void {
  const emitWarning = process.emitWarning.bind(process) as (...words: unknown[]) => void;
  process.emitWarning = (...words: readonly unknown[]) => {
    if (!pattern.test(String(words[0]))) emitWarning(...words);
  };
}

/** Reports words that the glossary replaces, in comments, texts and Markdown. Part of `npm run check`. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

/** Replaced word -> the words to use. */
const EVERYWHERE: Readonly<Record<string, string>> = {
  'nobody|somebody|anybody': 'name the program, the caller or the user',
  whoever: 'name the program, the caller or the user',
};
/** In the texts of a program these may be data, such as the name of a column. */
const IN_COMMENTS: Readonly<Record<string, string>> = {
  'law \\d|laws': 'invariant',
  'house|room|rooms': 'module, folder or layer',
  'door|doors': 'entry point',
  'office|offices': 'leader',
  'duty|duties|clockwork': 'job',
  'lane|lanes': 'slot',
  'landing|landed': 'the end of a single flight',
};

export interface WordProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Returns the problems of files, each given as path -> text. */
export function checkWords(files: ReadonlyMap<string, string>): WordProblem[] {
  return [...files].flatMap(([file, text]) => {
    if (file.endsWith('.md'))
      return findWords(file, text, { text, offset: 0, words: { ...EVERYWHERE, ...IN_COMMENTS } });
    const comments = parseSync(file, text).comments.flatMap(({ value, start }) =>
      findWords(file, text, { text: value, offset: start, words: { ...EVERYWHERE, ...IN_COMMENTS } }),
    );
    if (!file.startsWith('src/')) return comments;
    const texts = findWords(file, text, { text, offset: 0, words: EVERYWHERE });
    return [...comments, ...texts.filter(({ line }) => !comments.some((comment) => comment.line === line))];
  });
}

function findWords(
  file: string,
  whole: string,
  {
    text,
    offset,
    words,
  }: { readonly text: string; readonly offset: number; readonly words: Readonly<Record<string, string>> },
): WordProblem[] {
  return Object.entries(words).flatMap(([pattern, use]) =>
    [...text.matchAll(new RegExp(`\\b(?:${pattern})\\b`, 'gi'))].map(({ 0: word, index: at }) => {
      const index = offset + at;
      return { file, line: whole.slice(0, index).split('\n').length, message: `"${word}": ${use}` };
    }),
  );
}

if (import.meta.main) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const paths = globSync(
    ['src/**/*.{ts,js}', 'test/**/*.ts', 'actions/*.ts', 'scripts/**/*.ts', 'docs/*.md', 'README.md'],
    { cwd: root },
  );
  const problems = checkWords(
    new Map(
      paths
        .filter((file) => !file.includes('check-words'))
        .map((file) => [file, readFileSync(join(root, file), 'utf8')]),
    ),
  );
  for (const { file, line, message } of problems) console.error(`${file}:${line} ${message}`);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`Words hold (${paths.length} files).`);
}

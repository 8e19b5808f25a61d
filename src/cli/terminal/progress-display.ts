/**
 * The only writer to stderr during a run. On a terminal a bar stays below the lines of the log; otherwise a line is printed every five
 * seconds, as text or as JSON. The timers do not keep the program alive, and nothing is drawn after `stop`.
 */
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

import { SingleBar, type Options } from 'cli-progress';

import { widthOf } from './text-width.ts';
import type { LogFormat } from '../../core/log.ts';
import type { RunProgress } from '../../runs/runs.ts';
import { readLogFormat, toLogLine, toTerminalText } from './terminal.ts';
import { describeProgress, RateMeter, renderProgress } from './progress-line.ts';

const DRAWS_PER_SECOND = 5;
const LINE_INTERVAL_MS = 5_000;
const CLEAR_DOWN = '\u001b[J';
const LIKE_LOG_LINE = /^(?=\{|(?:error|warning|debug): )/gm;

export interface ProgressDisplay {
  /** Writes a line of the log above the bar. It ends with a line break. */
  print(line: string): void;
  /** Writes text above the bar that is not of the log. It ends with a line break. */
  note(text: string): void;
  /** Shows what `read` returns, from now on. */
  watch(read: () => RunProgress): void;
  /** Removes the bar. Idempotent. */
  stop(): void;
}

export interface ProgressOptions {
  readonly stream?: NodeJS.WriteStream;
  /** Needed because the output of a CI service can look like a terminal although it is none. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** If `json`, each line is an object of JSON. Default: the setting LOG_FORMAT. */
  readonly format?: LogFormat;
}

export function openProgress({
  stream = process.stderr,
  environment = process.env,
  format = readLogFormat(),
}: ProgressOptions = {}): ProgressDisplay {
  if (format === 'json') return new ProgressEntries(stream);
  const isPlain =
    !stream.isTTY || environment['TERM'] === 'dumb' || !['', '0', 'false'].includes(environment['CI'] ?? '');
  return isPlain ? new ProgressLines(stream) : new ProgressBar(stream);
}

/** Returns the console for action modules. It writes to the display: stdout is for the summary, and lines must not mix with the bar. */
export function makeConsole(display: Pick<ProgressDisplay, 'note'>): Console {
  const sink = makeSink(display);
  return new Console({ stdout: sink, stderr: sink });
}

/** Passes what the code of an action writes to stderr itself to the display, until the returned object is disposed of. */
export function captureStderr(display: Pick<ProgressDisplay, 'note'>): Disposable {
  const { stderr } = process;
  const write = stderr.write.bind(stderr);
  const sink = makeSink(display);
  stderr.write = sink.write.bind(sink) as typeof write;
  return { [Symbol.dispose]: () => void (stderr.write = write) };
}

function makeSink(display: Pick<ProgressDisplay, 'note'>): Writable {
  return new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => {
      if (chunk.length > 0) display.note(toConsoleText(chunk.toString()));
      done();
    },
  });
}

/** Removes colours and cursor movements, and indents lines that look like lines of the log. */
function toConsoleText(text: string): string {
  return stripVTControlCharacters(text).replace(LIKE_LOG_LINE, '  ');
}

class ProgressLines implements ProgressDisplay {
  readonly #write: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#write = stream.write.bind(stream);
  }

  print(line: string): void {
    this.#write(toTerminalText(line));
  }

  note(text: string): void {
    this.print(text);
  }

  watch(read: () => RunProgress): void {
    this.stop();
    this.#timer = setInterval(() => this.show(read()), LINE_INTERVAL_MS).unref();
  }

  protected show(progress: RunProgress): void {
    this.note(`${describeProgress(progress)}\n`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

class ProgressEntries extends ProgressLines {
  override note(text: string): void {
    this.print(toLogLine('info', text));
  }

  protected override show(progress: RunProgress): void {
    const { state, counts, records, sessions, deaths } = progress;
    const fields = { state, counts, records, sessions, deaths: deaths.length };
    this.print(toLogLine('info', describeProgress(progress), fields));
  }
}

class ProgressBar implements ProgressDisplay {
  readonly #stream: WriteStream;
  readonly #terminal: BarTerminal;
  #bar: SingleBar | undefined;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#terminal = new BarTerminal(stream);
  }

  print(line: string): void {
    this.#terminal.printAbove(toTerminalText(line));
  }

  note(text: string): void {
    this.print(text);
  }

  watch(read: () => RunProgress): void {
    this.stop();
    const rate = new RateMeter();
    // The types of cli-progress don't have `terminal`.
    const options: Options & { readonly terminal: BarTerminal } = {
      // cli-progress calls this for the line at each drawing, so its own counter is never updated.
      format: () => {
        const progress = read();
        return renderProgress(progress, {
          columns: this.#terminal.getWidth(),
          rate: rate.update(progress.units.done),
        });
      },
      terminal: this.#terminal,
      fps: DRAWS_PER_SECOND,
      forceRedraw: true,
      hideCursor: null,
      linewrap: null,
      gracefulExit: false,
      clearOnComplete: true,
    };
    this.#bar = new SingleBar(options);
    this.#bar.start(1, 0);
    this.#stream.on('resize', this.#onResize);
  }

  stop(): void {
    this.#stream.off('resize', this.#onResize);
    this.#bar?.stop();
    this.#bar = undefined;
    this.#terminal.erase();
  }

  readonly #onResize = () => this.#terminal.redraw();
}

/**
 * The terminal that cli-progress writes to. Its own one restores a saved cursor position, which is another line after the terminal has
 * scrolled, and it assumes that a line takes one row, but a narrower window wraps the line to two rows.
 */
class BarTerminal {
  readonly #stream: WriteStream;
  #line = '';

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** Leaves space for the `^C` that a terminal shows: a line that wraps could not be cleared. */
  getWidth(): number {
    return (this.#stream.columns || 80) - 3;
  }

  isTTY(): boolean {
    return true;
  }

  write(line: string): void {
    this.#stream.write(`${this.#eraser()}${line}`);
    this.#line = line;
  }

  printAbove(text: string): void {
    const line = this.#line;
    this.#stream.write(`${this.#eraser()}${text}${text.endsWith('\n') || line === '' ? line : `\n${line}`}`);
  }

  erase(): void {
    if (this.#line !== '') this.#stream.write(this.#eraser());
    this.#line = '';
  }

  /** Clears the line after the window's width has changed. The next drawing fits the new width. */
  redraw(): void {
    this.write('');
  }

  /** Returns codes that move to the beginning of the line, which the terminal may have wrapped since, and clear from there. */
  #eraser(): string {
    if (this.#line === '') return '';
    const rows = Math.ceil(widthOf(this.#line) / (this.#stream.columns || 80));
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}${CLEAR_DOWN}`;
  }

  // cli-progress also calls these functions; `write` does all of their work.
  cursorSave(): void {}
  cursorRestore(): void {}
  cursor(): void {}
  cursorTo(): void {}
  cursorRelative(): void {}
  cursorRelativeReset(): void {}
  clearRight(): void {}
  clearLine(): void {}
  clearBottom(): void {}
  newline(): void {}
  lineWrapping(): void {}
}

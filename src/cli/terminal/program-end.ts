/**
 * The end of the program. While the code of an action runs, only this program itself may end the process. Otherwise sessions would be
 * left to their watchdog, and results would not be written.
 */
import { syncBuiltinESMExports } from 'node:module';

/** Functions of `process` that end it. `reallyExit` is what `exit` calls at last. */
const ENDINGS = ['exit', 'reallyExit', 'abort'] as const;

export class ProgramEnd {
  readonly #originals = ENDINGS.map((name) => ({ name, descriptor: Object.getOwnPropertyDescriptor(process, name) }));
  readonly #reallyExit = Reflect.get(process, 'reallyExit') as (code: number) => void;

  /**
   * From now on a call such as `process.exit(1)` does not end the program: it throws the error that `onCall` returns for it. Named imports
   * from `node:process` are covered, too.
   */
  guard(onCall: (call: string) => Error): void {
    for (const name of ENDINGS) {
      const value = (...args: readonly unknown[]): never => {
        throw onCall(`process.${name}(${args.map(String).join(', ')})`);
      };
      Object.defineProperty(process, name, { value, configurable: true, writable: true });
    }
    syncBuiltinESMExports();
  }

  /** Ends the program with this exit code. Listeners of its event `exit` can't change the code. */
  exit(code: number): never {
    for (const { name, descriptor } of this.#originals) {
      if (descriptor === undefined) Reflect.deleteProperty(process, name);
      else Object.defineProperty(process, name, descriptor);
    }
    Object.defineProperty(process, 'reallyExit', {
      value: () => this.#reallyExit.call(process, code),
      configurable: true,
      writable: true,
    });
    process.exit(code);
  }
}

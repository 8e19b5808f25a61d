/**
 * A program that holds the write lock of a SQLite file for the given time. It prints the line `locked` when it has the lock.
 * Usage: node lock-holder.ts <file> <milliseconds>
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as hold } from 'node:timers/promises';

const [, , file = '', ms = ''] = process.argv;
using database = new DatabaseSync(file, { timeout: 5_000 });
database.exec('begin immediate');
process.stdout.write('locked\n');
await hold(Number(ms));
database.exec('rollback');

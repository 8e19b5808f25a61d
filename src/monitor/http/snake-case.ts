/** Converts the field names of stored rows to snake case. */
import { z } from 'zod';

type Snake<Name> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : Name;

type SnakeKeys<Fields> = { [Name in keyof Fields as Snake<Name>]: Fields[Name] };

/** Returns the shape of an answer with the fields of `schema`. */
export function toSnakeShape<Fields extends z.ZodRawShape>(schema: z.ZodObject<Fields>) {
  return z.object(toSnakeKeys(schema.shape) as SnakeKeys<Fields>);
}

/** Returns only the fields in `names` of a row. */
export function toSnakeRow<Row extends object, Name extends keyof Row & string>(
  row: Row,
  names: readonly Name[],
): SnakeKeys<Pick<Row, Name>> {
  return toSnakeKeys(Object.fromEntries(names.map((name) => [name, row[name]]))) as SnakeKeys<Pick<Row, Name>>;
}

function toSnakeKeys(fields: object): object {
  const toSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [toSnake(name), value]));
}

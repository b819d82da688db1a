import { readFileSync } from 'node:fs'

/** Reads a data file of this package: one JSON object a line, in the shape that data/README.md gives for it. */
export function readJsonl<T>(name: string): T[] {
  const text = readFileSync(new URL(`../data/${name}`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** Runs `make` at the first call and gives the same value ever after. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** One YAML document; merge keys (`<<`) are resolved as Compose does. Throws on duplicate keys. */
export function readYaml(path: string): unknown {
  return parse(readText(path), { merge: true })
}

/** Every document of a YAML file. Throws on the first error of any of them. */
export function readManifests(path: string): Manifest[] {
  return parseAllDocuments(readText(path)).map((document) => {
    const [error] = document.errors
    if (error) throw error
    return document.toJS() as Manifest
  })
}

export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly [key: string]: unknown
}

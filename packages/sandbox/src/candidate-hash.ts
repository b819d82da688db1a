import { createHash } from 'node:crypto'
import type { SandboxFile } from '@loopgate/contracts'
import { contentOf } from './jail/session.ts'

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')

/** SHA-256 of a candidate in hex: of its one file's bytes; of several files, of the sorted list of their names and hashes. */
export function candidateSha256(files: readonly SandboxFile[]): string {
  const [only] = files
  if (files.length === 1 && only !== undefined) return sha256(contentOf(only))
  const lines = files.map((file) => `${file.path}\0${sha256(contentOf(file))}\n`).toSorted()
  return sha256(lines.join(''))
}

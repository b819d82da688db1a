import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, lstatSync, openSync, opendirSync, readSync, type Stats } from 'node:fs'
import { ARTIFACT_BYTES_MAX, ARTIFACTS_MAX, type Artifact } from '@loopgate/contracts'
import type { WorkFolder } from '../jail/work-folder.ts'
import { pathFilter, type PathFilter } from './pattern.ts'

/** Names looked at in all: a program may leave a million. */
const ENTRIES_MAX = 10_000
const DEPTH_MAX = 32
/** A file that takes up less than this share of its size is mostly holes. */
const SPARSE_SHARE = 1 / 16
const SPARSE_BYTES = 1024 * 1024
const BLOCK_BYTES = 512

/** Follows no link, waits for no peer, and takes nothing for its terminal. */
const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

type Walk = { readonly isWanted: PathFilter; readonly found: Artifact[]; entries: number; bytes: number }

/**
 * The files of a working folder that the patterns name, in order of their paths. Call it once nothing in the
 * sandbox lives. Every step is relative to a descriptor of a folder and follows no symbolic link; only regular
 * files with one name are opened. What is not given back is listed with the reason.
 */
export function collectArtifacts(folder: WorkFolder | null, patterns: readonly string[]): Artifact[] {
  if (folder === null) return patterns.map((path) => skipped(path, 'unreadable'))
  const walk: Walk = { isWanted: pathFilter(patterns), found: [], entries: 0, bytes: 0 }
  enter(walk, folder.path, '', 0)
  return walk.found
}

/** `through` is the folder's path by its descriptor, `prefix` what its own files' paths begin with. */
function enter(walk: Walk, through: string, prefix: string, depth: number): void {
  for (const name of namesIn(walk, through)) {
    const path = prefix + name.toString('utf8')
    const at = Buffer.concat([Buffer.from(`${through}/`), name])
    const stat = lstatSync(at, { throwIfNoEntry: false })
    if (stat === undefined) continue
    if (stat.isDirectory()) {
      if (depth < DEPTH_MAX) enterFolder(walk, at, `${path}/`, depth + 1)
    } else if (walk.isWanted(path)) {
      if (walk.found.length >= ARTIFACTS_MAX) return void (walk.found[ARTIFACTS_MAX - 1] = skipped(path, 'too_many'))
      const isText = Buffer.from(name.toString('utf8')).equals(name) && Buffer.byteLength(path) <= 1024
      walk.found.push(isText ? take(walk, at, path, stat) : skipped(path.slice(0, 1024), 'bad_name', stat.size))
    }
  }
}

function enterFolder(walk: Walk, at: Buffer, prefix: string, depth: number): void {
  let descriptor: number
  try {
    descriptor = openSync(at, OPEN_FOLDER)
  } catch {
    return // a folder that the program has closed to everyone
  }
  try {
    enter(walk, `/proc/self/fd/${descriptor}`, prefix, depth)
  } finally {
    closeSync(descriptor)
  }
}

/** Sorted, so that the same files give the same list. */
function namesIn(walk: Walk, through: string): Buffer[] {
  const names: Buffer[] = []
  try {
    // A name is whatever bytes the program chose.
    const listing = opendirSync(through, { encoding: 'buffer' as BufferEncoding })
    try {
      for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
        walk.entries += 1
        if (walk.entries > ENTRIES_MAX) break
        names.push(entry.name as unknown as Buffer)
      }
    } finally {
      listing.closeSync()
    }
  } catch {
    return []
  }
  return names.toSorted((a, b) => a.compare(b))
}

function take(walk: Walk, at: Buffer, path: string, stat: Stats): Artifact {
  if (stat.isSymbolicLink()) return skipped(path, 'symlink', stat.size)
  if (!stat.isFile()) return skipped(path, 'not_a_file')
  if (stat.nlink > 1) return skipped(path, 'hard_link', stat.size)
  if (stat.size > SPARSE_BYTES && stat.blocks * BLOCK_BYTES < stat.size * SPARSE_SHARE)
    return skipped(path, 'sparse', stat.size)
  if (stat.size > ARTIFACT_BYTES_MAX - walk.bytes) return skipped(path, 'too_large', stat.size)
  try {
    const content = read(at, stat)
    walk.bytes += content.length
    const sha256 = createHash('sha256').update(content).digest('hex')
    return { path, sizeBytes: content.length, sha256, base64: content.toString('base64') }
  } catch {
    return skipped(path, 'unreadable', stat.size)
  }
}

function read(at: Buffer, seen: Stats): Buffer {
  const descriptor = openSync(at, OPEN_FILE)
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile() || stat.ino !== seen.ino || stat.size !== seen.size) throw new Error('the file has changed')
    const content = Buffer.alloc(stat.size)
    for (let filled = 0; filled < content.length;) {
      const count = readSync(descriptor, content, filled, content.length - filled, filled)
      if (count === 0) throw new Error('the file is shorter than it was')
      filled += count
    }
    return content
  } finally {
    closeSync(descriptor)
  }
}

function skipped(path: string, skippedReason: NonNullable<Artifact['skippedReason']>, sizeBytes = -1): Artifact {
  return { path, sizeBytes, skippedReason }
}

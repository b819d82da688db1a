import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimes,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownerOf, ownPrefix } from '../owner.ts'
import { canReach, type Identity } from './identity.ts'

/** A folder of this process that the launcher can read: our bootstraps, and programs it could not reach where they are. */
export type Staging = {
  readonly folder: string
  /** The path itself if the launcher reaches it, else that of a copy. */
  readonly reachable: (path: string) => string
  readonly close: () => void
}

/** A live process renews its folder this often, so that those of other pid namespaces show their age. */
const TOUCH_MS = 3_600_000
const FOREIGN_AGE_MS = 24 * TOUCH_MS

/**
 * Makes the folder, world-readable and writable by this process alone, and removes those that dead
 * processes left behind.
 * @throws Error if no temporary folder is reachable by the launcher
 */
export function createStaging(identity: Identity): Staging {
  const parents = [...new Set([tmpdir(), '/tmp', '/var/tmp'])]
  const parent = parents.find((path) => canReach(path, identity))
  if (parent === undefined) throw new Error(`the user of the sandboxes reaches none of ${parents.join(', ')}`)
  sweep(parent)
  const folder = mkdtempSync(join(parent, ownPrefix()))
  chmodSync(folder, 0o755)
  const copies = new Map<string, string>()
  const touching = setInterval(() => utimes(folder, new Date(), new Date(), () => {}), TOUCH_MS)
  touching.unref()
  return {
    folder,
    reachable: (path) => {
      const known = copies.get(path)
      if (known !== undefined) return known
      const used = canReach(path, identity) ? path : join(folder, `copy-${copies.size}`)
      if (used !== path) place(path, used)
      copies.set(path, used)
      return used
    },
    close: () => {
      clearInterval(touching)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const owner = ownerOf(name)
    if (owner !== 'leftover' && owner !== 'foreign') continue
    const path = join(parent, name)
    // A stranger may have made a folder of that name: only our own user's are ours.
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || !stat.isDirectory() || stat.uid !== process.getuid?.()) continue
    if (owner === 'foreign' && Date.now() - stat.mtimeMs < FOREIGN_AGE_MS) continue
    rmSync(path, { recursive: true, force: true })
  }
}

/** Links or copies a file or tree so that everyone may read it. */
function place(from: string, to: string): void {
  const stat = lstatSync(from)
  if (stat.isDirectory()) {
    mkdirSync(to, { mode: 0o755 })
    for (const name of readdirSync(from)) place(join(from, name), join(to, name))
  } else if (stat.isSymbolicLink()) {
    const target = readlinkSync(from)
    if (target.startsWith('/')) placeFile(from, to)
    else symlinkSync(target, to)
  } else if (stat.isFile()) {
    placeFile(from, to)
  }
}

function placeFile(from: string, to: string): void {
  const stat = statSync(from, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return
  if ((stat.mode & 0o004) !== 0 && lstatSync(from).isFile()) {
    try {
      linkSync(from, to) // a Node is 120 MB: no copy where a second name will do
      return
    } catch {
      // another file system, or links are refused
    }
  }
  copyFileSync(from, to)
  chmodSync(to, (stat.mode & 0o111) === 0 ? 0o644 : 0o755)
}

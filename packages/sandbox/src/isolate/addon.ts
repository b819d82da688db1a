import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * The compiled part of isolated-vm for a Node, as its package carries it.
 * @param abi NODE_MODULE_VERSION of the Node that will load it
 * @throws Error in words for the operator, where the package has none
 */
export function findAddon(abi: string): string {
  const folder = dirname(createRequire(import.meta.url).resolve('isolated-vm/package.json'))
  const libc = existsSync('/lib/ld-musl-x86_64.so.1') || existsSync('/lib/ld-musl-aarch64.so.1') ? 'musl' : 'glibc'
  const path = join(folder, 'prebuilds', `${process.platform}-${process.arch}`, `isolated-vm.abi${abi}.${libc}.node`)
  if (existsSync(path)) return path
  throw new Error(
    `the tier isolate needs isolated-vm for ${process.platform}-${process.arch}, ${libc}, Node ABI ${abi}, and its package has no such file`,
  )
}

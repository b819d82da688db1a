import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

type DebianTools = { readonly ensureTool: (name: string, root: string, log: (line: string) => void) => string }

/** Finds programs or brings them into .loopgate/toolchain, as the set-up of the repository does. */
export async function toolFinder(root: string, say: (line: string) => void): Promise<(name: string) => string> {
  const url = pathToFileURL(join(root, 'scripts', 'lib', 'debian-tools.mjs')).href
  const { ensureTool } = (await import(url)) as DebianTools
  return (name) => ensureTool(name, root, say)
}

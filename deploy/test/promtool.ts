import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from './read.ts'

type DebianTools = { readonly ensureTool: (name: string, root: string) => string }

export type Promtool = (
  args: readonly string[],
  input?: string,
) => Promise<{ readonly code: number; readonly output: string }>

/** promtool from PATH or from Debian's package, or the reason why it is not to be had. */
export async function findPromtool(): Promise<Promtool | string> {
  const url = pathToFileURL(join(ROOT, 'scripts', 'lib', 'debian-tools.mjs')).href
  const { ensureTool } = (await import(url)) as DebianTools
  try {
    const program = ensureTool('promtool', ROOT)
    return (args, input = '') => run(program, args, input)
  } catch (error) {
    return `promtool is not to be had here: ${(error as Error).message}`
  }
}

function run(program: string, args: readonly string[], input: string): ReturnType<Promtool> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], (error, stdout, stderr) => {
      resolve({ code: error ? 1 : 0, output: stdout + stderr })
    })
    // A check that reads files may have ended before its input is closed.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

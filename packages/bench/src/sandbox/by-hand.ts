import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Subject } from './subjects.ts'

/** Programs for what one would do without Loopgate. */
export type ByHand = { readonly bwrap: string; readonly python: string; readonly node: string }

/** The least that could be called a sandbox: all namespaces, the system read-only, no network. */
const BWRAP = [
  ['--unshare-all', '--die-with-parent', '--new-session'],
  ['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--'],
].flat()

/** The interpreters as they are, and in a bubblewrap started by hand. No limits, no channel, no check. */
export function byHand({ bwrap, python, node }: ByHand): Subject[] {
  const py = [python, '-I', '-S', '-c', 'print(1 + 1)']
  const js = [node, '-e', 'console.log(1 + 1)']
  return [
    subject('bare python', py),
    subject('bare node', js),
    subject('bwrap by hand, python', [bwrap, ...BWRAP, ...py]),
    subject('bwrap by hand, node', [bwrap, ...BWRAP, ...js]),
  ]
}

function subject(name: string, [program = '', ...args]: readonly string[]): Subject {
  const run = async () => {
    const child = spawn(program, args, { env: {}, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    await once(child, 'close')
    if (out !== '2\n') throw new Error(`${name}: ${err.slice(0, 300) || 'it printed something else'}`)
  }
  return { name, start: () => Promise.resolve({ once: run, close: () => Promise.resolve() }) }
}

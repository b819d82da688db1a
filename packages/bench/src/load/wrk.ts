import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CORES } from '../measure/pinned.ts'
import type { Call } from './call.ts'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('post.lua', import.meta.url))

export type WrkFigures = {
  readonly requests: number
  readonly durationUs: number
  readonly errors: Readonly<Record<'connect' | 'read' | 'write' | 'status' | 'timeout', number>>
  readonly p50Us: number
  readonly p99Us: number
}

/** Repeats the call over `connections` connections, each waiting for its answer, for `seconds`. */
export async function wrk(
  program: string,
  call: Call,
  options: { readonly connections: number; readonly seconds: number; readonly folder: string },
): Promise<WrkFigures> {
  const bodyFile = join(options.folder, 'body.json')
  writeFileSync(bodyFile, call.body)
  const headers = Object.entries(call.headers).map(([name, value]) => `${name}: ${value}`)
  const duration = `${Math.max(1, Math.round(options.seconds))}s`
  const args = ['-t1', `-c${options.connections}`, `-d${duration}`, '--timeout', '30s', '-s', SCRIPT, call.url]
  const { stdout } = await run('taskset', ['-c', String(CORES.load), program, ...args, '--', bodyFile, ...headers])
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  return JSON.parse(last) as WrkFigures
}

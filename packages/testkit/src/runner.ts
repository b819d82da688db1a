import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestScope } from './redis.ts'
import { untouched } from './untouched-spawn.ts'

const SERVER = fileURLToPath(new URL('../../../services/sandbox-runner/src/server.ts', import.meta.url))
const toolchain = (path: string) => fileURLToPath(new URL(`../../../.loopgate/toolchain/${path}`, import.meta.url))

export type RunnerOptions = {
  readonly gatewayUrl: string
  readonly token: string
  readonly slots?: number
  readonly env?: Readonly<Record<string, string>>
}

export type RunnerProcess = {
  readonly pid: number
  readonly kill: (signal?: NodeJS.Signals) => void
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** Everything that it has logged so far. */
  readonly logs: () => string
}

/** The programs of sandboxes: what the set-up says, else what it brought. */
export function sandboxTools(): Record<string, string> {
  const tools = {
    LOOPGATE_BWRAP_PATH: process.env['LOOPGATE_BWRAP_PATH'] ?? toolchain('bin/bwrap'),
    LOOPGATE_PYTHON_PATH: process.env['LOOPGATE_PYTHON_PATH'] ?? toolchain('usr/bin/python3.11'),
  }
  return Object.fromEntries(Object.entries(tools).filter(([, path]) => existsSync(path)))
}

/**
 * A real runner process, attached: it resolves once a gateway has welcomed it, and rejects with its
 * logs if it ends before. It is killed at the end of the test, which prints the logs if it failed.
 */
export async function runner(
  t: TestScope & { readonly passing?: () => boolean; readonly comment?: (text: string) => void },
  options: RunnerOptions,
): Promise<RunnerProcess> {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/tmp',
    LOOPGATE_GATEWAY_URL: options.gatewayUrl,
    LOOPGATE_RUNNER_TOKEN: options.token,
    ...(options.slots === undefined ? {} : { LOOPGATE_RUNNER_SLOTS: String(options.slots) }),
    ...sandboxTools(),
    ...options.env,
  }
  const child = untouched(() => spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'pipe'] }))
  const lines: string[] = []
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    if (t.passing?.() === false) t.comment?.(lines.join('\n'))
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the runner could not be started')
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.includes('attached to a gateway') && !line.includes('not attached')) resolve()
    })
    void exited.then(() => reject(new Error(`the runner ended before it was attached:\n${lines.join('\n')}`)))
  })
  return { pid, kill: (signal = 'SIGKILL') => child.kill(signal), exited, logs: () => lines.join('\n') }
}

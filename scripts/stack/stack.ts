import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeDevFile, runningStack, writeDevFile, type DevFile } from './dev-file.ts'
import { localKeys } from './keys.ts'
import { startManaged, type Managed, type ManagedEvents, type ProcessSpec } from './managed.ts'
import { choosePort, StackError } from './ports.ts'
import { redisSpec } from './redis-process.ts'
import {
  baseEnv,
  gatewaySpec,
  gatewayUrl,
  runnerSpec,
  simulatorSpec,
  workerSpec,
  type StackLayout,
} from './services.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const STATE_FOLDER = join(ROOT, '.loopgate')

export type StackOptions = {
  readonly say: (text: string) => void
  /** Whether a busy default port is an error; the demo takes a free one instead. */
  readonly strictPorts: boolean
  /** Provider key of the real API; null runs the simulator. */
  readonly cerebrasKey: string | null
}

export type Stack = {
  readonly dev: () => DevFile
  /** Resolves with a reason when the stack can't be kept up. */
  readonly gaveUp: Promise<string>
  readonly stop: () => Promise<void>
}

/**
 * Brings up everything in the order of dependence, keeps it up, and stops it in reverse.
 * @throws StackError with a sentence for the user; what was started by then is stopped
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  mkdirSync(STATE_FOLDER, { recursive: true })
  if (runningStack(STATE_FOLDER)) {
    throw new StackError(
      'Loopgate is already running from this folder: stop it first, or use it (see .loopgate/dev.json).',
    )
  }
  const up: Managed[] = []
  const gaveUp = Promise.withResolvers<string>()
  const stop = async (): Promise<void> => {
    removeDevFile(STATE_FOLDER)
    for (const managed of up.toReversed()) await managed.stop()
  }

  const layout = await plan(options)
  const dev = (): DevFile => ({
    gatewayUrl: gatewayUrl(layout),
    apiKey: layout.keys.apiKey,
    adminKey: layout.keys.adminKey,
    redisUrl: layout.redisUrl,
    upstreamUrl: layout.upstreamUrl,
    pids: { supervisor: process.pid, ...Object.fromEntries(up.map((managed) => [managed.name, managed.pid()])) },
  })
  const events: ManagedEvents = {
    say: options.say,
    restarted: () => writeDevFile(STATE_FOLDER, dev()),
    gaveUp: gaveUp.resolve,
  }
  try {
    for (const spec of specs(layout)) up.push(await startManaged(spec, events))
  } catch (error) {
    await stop()
    throw error
  }
  writeDevFile(STATE_FOLDER, dev())
  return { dev, gaveUp: gaveUp.promise, stop }
}

async function plan({ strictPorts, cerebrasKey }: StackOptions): Promise<StackLayout> {
  const keys = localKeys(STATE_FOLDER)
  const simulatorPort = cerebrasKey === null ? await choosePort('LOOPGATE_SIM_PORT', 8081, strictPorts) : null
  const given = process.env['LOOPGATE_REDIS_URL']
  return {
    root: ROOT,
    stateFolder: STATE_FOLDER,
    keys,
    gatewayPort: await choosePort('LOOPGATE_PORT', 8080, strictPorts),
    simulatorPort,
    workerPort: await choosePort('LOOPGATE_WORKER_PORT', 0, false),
    redisUrl: given || `redis://127.0.0.1:${await choosePort('LOOPGATE_REDIS_PORT', 0, false)}`,
    upstreamUrl:
      simulatorPort === null
        ? (process.env['LOOPGATE_UPSTREAM_URL'] ?? 'https://api.cerebras.ai')
        : `http://127.0.0.1:${simulatorPort}`,
    upstreamKey: cerebrasKey ?? keys.simulatorKey,
  }
}

/** The processes in the order of dependence. */
function specs(layout: StackLayout): ProcessSpec[] {
  const privateRedis = process.env['LOOPGATE_REDIS_URL']
    ? []
    : [
        redisSpec(
          process.env['LOOPGATE_REDIS_SERVER'] || 'redis-server',
          Number(new URL(layout.redisUrl).port),
          layout.stateFolder,
          baseEnv(),
        ),
      ]
  const simulator = layout.simulatorPort === null ? [] : [simulatorSpec(layout)]
  return [...privateRedis, ...simulator, gatewaySpec(layout), workerSpec(layout), runnerSpec(layout)]
}

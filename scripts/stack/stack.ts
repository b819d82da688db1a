import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeDevFile, runningStack, writeDevFile, type DevFile } from './dev-file.ts'
import { checkGivenRedis } from './given-redis.ts'
import { holdFolder } from './hold.ts'
import { localKeys } from './keys.ts'
import { startManaged, type Managed, type ManagedEvents, type ProcessSpec } from './managed.ts'
import { createPorts, type Ports, StackError } from './ports.ts'
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

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Where keys, logs and the data of the private Redis live. */
export const stateFolder = (): string => process.env['LOOPGATE_STATE_FOLDER'] || join(ROOT, '.loopgate')

export type StackOptions = {
  readonly say: (text: string) => void
  /** Whether a busy default port is an error; the demo takes a free one instead. */
  readonly strictPorts: boolean
  /** Provider key of the real API; null runs the simulator. */
  readonly cerebrasKey: string | null
  readonly stateFolder: string
  /** Exits of one process within a minute beyond which the stack gives up; default 5. */
  readonly restartsPerMinute?: number
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
  const { stateFolder } = options
  mkdirSync(stateFolder, { recursive: true })
  const releaseFolder = await holdFolder(stateFolder)
  if (releaseFolder === null) {
    throw new StackError(
      (await runningStack(stateFolder))
        ? 'Loopgate is already running from this folder: stop it first, or use it (see dev.json in its state folder).'
        : 'Loopgate is just being started or stopped from this folder: run the command again when that is done.',
    )
  }
  const ports = createPorts()
  const release = (): void => {
    ports.release()
    releaseFolder()
  }
  try {
    return await bringUp(options, ports, release)
  } catch (error) {
    release()
    throw error
  }
}

async function bringUp(options: StackOptions, ports: Ports, release: () => void): Promise<Stack> {
  const { stateFolder } = options
  const up: Managed[] = []
  const gaveUp = Promise.withResolvers<string>()
  const stop = async (): Promise<void> => {
    removeDevFile(stateFolder)
    for (const managed of up.toReversed()) await managed.stop()
    release()
  }

  const layout = await plan(options, ports)
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
    restarted: () => writeDevFile(stateFolder, dev()),
    gaveUp: gaveUp.resolve,
    ...(options.restartsPerMinute !== undefined && { restartsPerMinute: options.restartsPerMinute }),
  }
  try {
    for (const spec of specs(layout)) up.push(await startManaged(spec, events))
  } catch (error) {
    await stop()
    throw error
  }
  writeDevFile(stateFolder, dev())
  return { dev, gaveUp: gaveUp.promise, stop }
}

async function plan({ strictPorts, cerebrasKey, stateFolder }: StackOptions, ports: Ports): Promise<StackLayout> {
  const keys = localKeys(stateFolder)
  const simulatorPort = cerebrasKey === null ? await ports.choose('LOOPGATE_SIM_PORT', 8081, strictPorts) : null
  const given = process.env['LOOPGATE_REDIS_URL']
  if (given) await checkGivenRedis(given)
  return {
    root: ROOT,
    stateFolder,
    keys,
    gatewayPort: await ports.choose('LOOPGATE_PORT', 8080, strictPorts),
    simulatorPort,
    workerPort: await ports.choose('LOOPGATE_WORKER_PORT', 0, false),
    redisUrl: given || `redis://127.0.0.1:${await ports.choose('LOOPGATE_REDIS_PORT', 0, false)}`,
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

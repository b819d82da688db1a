import { join } from 'node:path'
import { configuredKeys, type LocalKeys } from './keys.ts'
import type { ProcessSpec } from './managed.ts'

export type StackLayout = {
  readonly root: string
  readonly stateFolder: string
  readonly keys: LocalKeys
  readonly gatewayPort: number
  readonly simulatorPort: number | null
  readonly workerPort: number
  readonly redisUrl: string
  readonly upstreamUrl: string
  readonly upstreamKey: string
}

export const gatewayUrl = (layout: StackLayout): string => `http://127.0.0.1:${layout.gatewayPort}`

/**
 * The environment that a child starts from: what Node and the user's own settings need, and no
 * more. Each service is given only the secrets that are its own: a runner never sees a provider key.
 */
export function baseEnv(): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(
    ([name]) => /^(PATH|HOME|LANG|TMPDIR|NODE_EXTRA_CA_CERTS)$/.test(name) || name.startsWith('LOOPGATE_'),
  )
  const env = Object.fromEntries(passed)
  delete env['LOOPGATE_REDIS_SERVER']
  return env
}

function service(layout: StackLayout, name: string, env: NodeJS.ProcessEnv, ready: ProcessSpec['ready']): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [join(layout.root, 'services', name, 'src', 'server.ts')],
    env: { ...baseEnv(), ...env },
    logFile: join(layout.stateFolder, 'logs', `${name}.log`),
    ready,
  }
}

export function simulatorSpec(layout: StackLayout): ProcessSpec {
  const env = { LOOPGATE_SIM_PORT: String(layout.simulatorPort), LOOPGATE_SIM_KEYS: layout.keys.simulatorKey }
  return service(layout, 'cerebras-sim', env, () => answers(`http://127.0.0.1:${layout.simulatorPort}/healthz`))
}

export function gatewaySpec(layout: StackLayout): ProcessSpec {
  const env = {
    LOOPGATE_PORT: String(layout.gatewayPort),
    LOOPGATE_REDIS_URL: layout.redisUrl,
    LOOPGATE_API_KEYS: JSON.stringify(configuredKeys(layout.keys)),
    LOOPGATE_RUNNER_TOKEN: layout.keys.runnerToken,
    LOOPGATE_CACHE_SECRET: layout.keys.cacheSecret,
    LOOPGATE_UPSTREAM_URL: layout.upstreamUrl,
    CEREBRAS_API_KEY: layout.upstreamKey,
  }
  return service(layout, 'gateway', env, () => answers(`${gatewayUrl(layout)}/readyz`))
}

export function workerSpec(layout: StackLayout): ProcessSpec {
  const env = {
    LOOPGATE_GATEWAY_URL: gatewayUrl(layout),
    LOOPGATE_SERVICE_KEY: layout.keys.serviceKey,
    LOOPGATE_REDIS_URL: layout.redisUrl,
    LOOPGATE_WORKER_PORT: String(layout.workerPort),
  }
  return service(layout, 'loop-worker', env, () => answers(`http://127.0.0.1:${layout.workerPort}/healthz`))
}

export function runnerSpec(layout: StackLayout): ProcessSpec {
  const env = { LOOPGATE_GATEWAY_URL: gatewayUrl(layout), LOOPGATE_RUNNER_TOKEN: layout.keys.runnerToken }
  return service(layout, 'sandbox-runner', env, async () => (await attachedRunners(layout)) > 0)
}

async function answers(url: string): Promise<boolean> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await reply.body?.cancel()
    return reply.ok
  } catch {
    return false
  }
}

async function attachedRunners(layout: StackLayout): Promise<number> {
  try {
    const reply = await fetch(`${gatewayUrl(layout)}/api/runners`, {
      headers: { authorization: `Bearer ${layout.keys.adminKey}` },
      signal: AbortSignal.timeout(1000),
    })
    return ((await reply.json()) as { runners: unknown[] }).runners.length
  } catch {
    return 0
  }
}

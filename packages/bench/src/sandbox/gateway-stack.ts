import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionInput, ExecutionResult } from '@loopgate/contracts'
import { Pool } from 'undici'
import { cpuUs } from '../measure/cpu.ts'
import { startPinned } from '../measure/pinned.ts'
import type { GatewayOptions } from '../scenarios/gateway.ts'
import { newInstallation, startGateway, startRedis } from '../targets/gateway-process.ts'

const MOCK = fileURLToPath(new URL('../mock/upstream.ts', import.meta.url))
/** Both cores for everything: executions are to have what the rest leaves. */
const BOTH_CORES = '0-1'
const START_MS = 60_000

export type GatewayStack = {
  readonly execute: (input: ExecutionInput) => Promise<ExecutionResult>
  /** CPU time of gateway and runner, without their sandboxes, in ms. */
  readonly servicesCpuMs: () => number
  readonly stop: () => Promise<void>
}

/** Gateway, Redis and one runner as they ship. @throws Error if one does not come up */
export async function startStack(
  options: Pick<GatewayOptions, 'folder' | 'root' | 'tool'>,
  env: Readonly<Record<string, string>>,
): Promise<GatewayStack> {
  const { folder, root, tool } = options
  const installation = newInstallation()
  const redis = await startRedis(tool('redis-server'), BOTH_CORES, folder)
  const mock = startPinned('mock', BOTH_CORES, [process.execPath, MOCK], { logFolder: folder })
  const upstream = `http://127.0.0.1:${await mock.firstLine()}`
  const place = {
    name: 'gateway',
    core: BOTH_CORES,
    node: process.execPath,
    root,
    folder,
    redisUrl: redis.url,
    upstream,
  }
  const gateway = await startGateway(place, installation)
  const server = join(root, 'services/sandbox-runner/src/server.ts')
  const runner = startPinned('runner', BOTH_CORES, [process.execPath, server], {
    logFolder: folder,
    env: { ...env, LOOPGATE_GATEWAY_URL: gateway.origin, LOOPGATE_RUNNER_TOKEN: installation.runnerToken },
  })
  const pool = new Pool(gateway.origin, { connections: 32 })
  const headers = { authorization: `Bearer ${installation.key}`, 'content-type': 'application/json' }
  const post = async (input: ExecutionInput): Promise<ExecutionResult> => {
    const body = JSON.stringify(input)
    const reply = await pool.request({ path: '/api/executions', method: 'POST', headers, body })
    const text = await reply.body.text()
    if (reply.statusCode !== 200) throw new Error(`the gateway answered ${reply.statusCode}: ${text.slice(0, 300)}`)
    return JSON.parse(text) as ExecutionResult
  }
  const stop = async () => {
    await pool.close()
    await runner.stop()
    await gateway.stop()
    await mock.stop()
    await redis.stop()
  }
  try {
    // The first one waits for the runner, whose self-tests take some seconds.
    await untilAttached(() => post({ language: 'python', files: [{ path: 'a.py', content: 'print(1)' }] }))
  } catch (error) {
    await stop()
    throw error
  }
  return { execute: post, servicesCpuMs: () => cpuUs([gateway.pid, runner.pid]) / 1000, stop }
}

async function untilAttached(attempt: () => Promise<ExecutionResult>): Promise<void> {
  for (const untilMs = Date.now() + START_MS; ;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (Date.now() > untilMs) throw error
    }
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ConfiguredKey, Scope } from '@loopgate/contracts'
import { buildApp } from '@loopgate/gateway'
import { compose, type Tuning } from '@loopgate/gateway/compose'
import { readConfig } from '@loopgate/gateway/config'
import { listen } from '@loopgate/gateway/doors'
import { createLogger } from '@loopgate/service-kit'
import { redis as freshRedis, type TestScope } from './redis.ts'

export type GatewayOptions = {
  /** Origin of the upstream; without it nothing answers there. */
  readonly upstreamUrl?: string
  readonly upstreamKey?: string
  /** Redis and key prefix to use; by default fresh ones of the test's own. `null` runs without Redis. */
  readonly redis?: { readonly url: string; readonly keyPrefix: string } | null
  /** Further settings, by their names in the environment. */
  readonly env?: Readonly<Record<string, string>>
}

export type GatewayKeys = {
  /** Scopes complete, execute and loops, of tenant `acme`. */
  readonly apiKey: string
  /** Scope admin, of tenant `acme`. */
  readonly adminKey: string
  /** As apiKey, of tenant `globex`. */
  readonly otherTenantKey: string
  readonly runnerToken: string
}

export type TestGateway = GatewayKeys & {
  readonly url: string
  readonly app: Awaited<ReturnType<typeof buildApp>>
}

export type TestGatewayProcess = GatewayKeys & {
  readonly url: string
  readonly pid: number
  readonly child: ChildProcess
  /** All that the process has written so far. */
  readonly output: () => string
}

/** Port of the discard service: nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9'
const SERVER = fileURLToPath(new URL('../../../services/gateway/src/server.ts', import.meta.url))

/** A gateway in this process, on a port of its own, closed at the end of the test. */
export async function gateway(t: TestScope, options: GatewayOptions = {}, tuning: Tuning = {}): Promise<TestGateway> {
  const keys = makeKeys()
  const config = readConfig(await environment(t, keys, { LOOPGATE_LOG_LEVEL: 'silent' }, options))
  const app = await buildApp(compose(config, createLogger('gateway', config.LOOPGATE_LOG_LEVEL), tuning))
  t.teardown(async () => {
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  })
  await listen(app, { host: config.LOOPGATE_HOST, port: config.LOOPGATE_PORT })
  const { port } = app.server.address() as AddressInfo
  return { ...keys, app, url: `http://127.0.0.1:${port}` }
}

/** A gateway as a process of its own, to be killed; it is gone at the end of the test. */
export async function gatewayProcess(t: TestScope, options: GatewayOptions = {}): Promise<TestGatewayProcess> {
  const keys = makeKeys()
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, ...(await environment(t, keys, {}, options)) }
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })

  let text = ''
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
  const read = (chunk: Buffer): void => {
    text += String(chunk)
    const address = /listening on (http:\/\/[^"\s]+)/.exec(text)?.[1]
    if (address !== undefined) resolve(address)
  }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  child.once('exit', () => reject(new Error(`the gateway did not start:\n${text}`)))
  return { ...keys, url: await url, pid: child.pid as number, child, output: () => text }
}

function makeKeys(): GatewayKeys {
  const secret = (prefix: string): string => `${prefix}-${randomBytes(16).toString('hex')}`
  return {
    apiKey: secret('lgk'),
    adminKey: secret('lgk-admin'),
    otherTenantKey: secret('lgk-other'),
    runnerToken: secret('lgr'),
  }
}

async function environment(
  t: TestScope,
  keys: GatewayKeys,
  defaults: Readonly<Record<string, string>>,
  { upstreamUrl = NOWHERE, upstreamKey = 'csk-test', redis, env = {} }: GatewayOptions,
): Promise<NodeJS.ProcessEnv> {
  const store = redis === undefined ? await freshRedis(t) : redis
  const configured: ConfiguredKey[] = [
    configuredKey('acme', 'api key', keys.apiKey, ['complete', 'execute', 'loops']),
    configuredKey('acme', 'admin key', keys.adminKey, ['admin']),
    configuredKey('globex', 'other tenant', keys.otherTenantKey, ['complete', 'execute', 'loops']),
  ]
  return {
    LOOPGATE_PORT: '0',
    // Tests share a machine that may be busy: a gateway that is held up by others refuses nothing.
    LOOPGATE_SHED_DELAY_MS: '60000',
    // A fault that a test has set is to be seen, not mended.
    LOOPGATE_UPSTREAM_TRIES: '1',
    LOOPGATE_API_KEYS: JSON.stringify(configured),
    LOOPGATE_RUNNER_TOKEN: keys.runnerToken,
    LOOPGATE_UPSTREAM_URL: upstreamUrl,
    CEREBRAS_API_KEY: upstreamKey,
    ...(store !== null && { LOOPGATE_REDIS_URL: store.url, LOOPGATE_KEY_PREFIX: store.keyPrefix }),
    ...defaults,
    ...env,
  }
}

function configuredKey(tenant: string, name: string, secret: string, scopes: Scope[]): ConfiguredKey {
  return { tenant, name, sha256: createHash('sha256').update(secret).digest('hex'), scopes }
}

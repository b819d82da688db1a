import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'

/** The part of a tap test that the kit needs. */
export type TestScope = { readonly teardown: (fn: () => unknown) => void }

/** A port that is free now. Prefer port 0 where a server can report what it got. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * A real Redis for a test: the one of the whole run (`LOOPGATE_TEST_REDIS_URL`), else a private one.
 * `keyPrefix` belongs to this call alone and everything under it is deleted at the end.
 */
export async function redis(t: TestScope): Promise<{ url: string; keyPrefix: string; client: Redis }> {
  const shared = process.env['LOOPGATE_TEST_REDIS_URL']
  const url = shared ?? (await privateRedis(t)).url
  const keyPrefix = `t-${randomBytes(6).toString('hex')}`
  const client = new Redis(url, { maxRetriesPerRequest: 1 })
  client.on('error', () => {})
  t.teardown(async () => {
    try {
      for await (const keys of client.scanStream({ match: `*${keyPrefix}*`, count: 500 })) {
        if ((keys as string[]).length > 0) await client.unlink(keys as string[])
      }
    } finally {
      client.disconnect()
    }
  })
  return { url, keyPrefix, client }
}

/** A Redis process of the test's own: to stop, freeze (`SIGSTOP` by pid) and kill. */
export async function privateRedis(t: TestScope): Promise<{ url: string; pid: number; port: number }> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'loopgate-redis-'))
  const program = fileURLToPath(new URL('../../../.loopgate/toolchain/bin/redis-server', import.meta.url))
  const child = spawn(
    existsSync(program) ? program : 'redis-server',
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
      '--save',
      '',
      '--appendonly',
      'yes',
      '--appendfsync',
      'everysec',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  for await (const line of child.stdout.iterator({ destroyOnReturn: false })) {
    if (String(line).includes('Ready to accept connections')) break
  }
  child.stdout.resume()
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid as number, port }
}

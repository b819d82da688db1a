import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@loopgate/testkit/redis'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { until } from './net-kit.ts'

const SLOTS = 16_384
const brought = fileURLToPath(new URL('../../../.loopgate/toolchain/bin/redis-server', import.meta.url))

/** A Redis Cluster of three processes on loopback, without replicas; gone at the end of the test. */
export async function redisCluster(t: Test): Promise<{ urls: string; nodes: readonly Redis[] }> {
  const ports = await Promise.all(Array.from({ length: 3 }, () => node(t)))
  const nodes = ports.map(({ port }) => new Redis(port, '127.0.0.1'))
  t.teardown(() => nodes.forEach((each) => each.disconnect()))
  const [first] = nodes
  for (const [index, each] of nodes.entries()) {
    const [from, to] = [index, index + 1].map((share) => Math.floor((share * SLOTS) / nodes.length))
    await each.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? SLOTS) - 1))
    const { port, bus } = ports[index] ?? { port: 0, bus: 0 }
    if (index > 0) await first?.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(bus))
  }
  for (const each of nodes) {
    await until(async () => {
      const info = String(await each.call('CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
    })
  }
  return { urls: ports.map(({ port }) => `redis://127.0.0.1:${port}`).join(','), nodes }
}

async function node(t: Test): Promise<{ port: number; bus: number }> {
  const [port, bus] = [await freePort(), await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'loopgate-cluster-'))
  const own = ['--port', port, '--cluster-port', bus, '--dir', folder, '--bind', '127.0.0.1', '--save', '']
  const program = existsSync(brought) ? brought : 'redis-server'
  const child = spawn(program, [...own.map(String), '--cluster-enabled', 'yes'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  for await (const line of child.stdout.iterator({ destroyOnReturn: false })) {
    if (String(line).includes('Ready to accept connections')) break
  }
  child.stdout.resume()
  return { port, bus }
}

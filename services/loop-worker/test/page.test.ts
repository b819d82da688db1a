import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Counter, createRegistry } from '@loopgate/service-kit'
import t from 'tap'
import { createPage } from '../src/page.ts'

t.test('the page tells health and metrics, and nothing else', async (t) => {
  const registry = createRegistry({ processMetrics: false })
  new Counter({ name: 'loopgate_worker_example_total', help: 'x', registers: [registry] }).inc()
  let healthy = true
  const page = createPage({ registry, healthy: () => healthy }).listen(0, '127.0.0.1')
  await once(page, 'listening')
  t.teardown(() => page.close().closeAllConnections())
  const origin = `http://127.0.0.1:${(page.address() as AddressInfo).port}`
  const get = async (path: string, method: 'GET' | 'POST' = 'GET') => {
    const response = await fetch(origin + path, { method })
    return [response.status, await response.text()] as const
  }
  t.strictSame(await get('/healthz'), [200, '{"status":"ok"}'])
  healthy = false
  t.strictSame(await get('/healthz'), [503, '{"status":"redis_unreachable"}'])
  t.match(await get('/metrics'), [200, /loopgate_worker_example_total 1/])
  t.match(await get('/other'), [404])
  t.match(await get('/metrics', 'POST'), [405])
})

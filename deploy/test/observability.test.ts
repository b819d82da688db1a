import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { gateway } from '@loopgate/testkit/gateway'
import type { TestScope } from '@loopgate/testkit/redis'
import { stringify } from 'yaml'
import { Registry } from '@loopgate/service-kit'
import { createWorkerMetrics } from '../../services/loop-worker/src/metrics.ts'
import { alerts, metricsOf, panelQueries, panels } from './dashboard.ts'
import { findPromtool } from './promtool.ts'
import { readYaml, ROOT } from './read.ts'

/** Metrics of ours that no panel and no alert shows, on purpose. */
const UNSEEN: readonly string[] = []

const promtool = await findPromtool()
const skip = typeof promtool === 'string' ? promtool : false
const run = typeof promtool === 'string' ? async () => ({ code: 1, output: promtool }) : promtool

/** The expositions of a gateway that runs and of a worker. */
async function exposition(t: TestScope): Promise<string> {
  const { url } = await gateway(t)
  const worker = new Registry()
  createWorkerMetrics(worker)
  return (await (await fetch(`${url}/metrics`)).text()) + (await worker.metrics())
}

t.test('the dashboard and the alerts name only metrics that are exported, and leave none of ours out', async (t) => {
  const exported = new Set([...(await exposition(t)).matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] as string))
  const named = new Set([...panelQueries(), ...alerts().values()].flatMap(metricsOf))
  t.ok(named.size >= 25, 'there are names to look at')
  t.strictSame(
    [...named].filter((name) => !exported.has(name)),
    [],
    'named, but not exported',
  )
  t.strictSame(
    [...exported].filter((name) => name.startsWith('loopgate_') && !named.has(name)).sort(),
    [...UNSEEN].sort(),
    'exported, but shown nowhere',
  )
})

t.test('the exposition passes the lint of Prometheus', { skip }, async (t) => {
  const { code, output } = await run(['check', 'metrics'], await exposition(t))
  t.equal(output, '')
  t.equal(code, 0)
})

t.test('Prometheus accepts its configuration and the alerts', { skip }, async (t) => {
  const { code, output } = await run(['check', 'config', join(ROOT, 'deploy/prometheus/prometheus.yml')])
  t.equal(code, 0, output)
})

t.test('every alert fires when it should and is silent when all is well', { skip }, async (t) => {
  const { code, output } = await run(['test', 'rules', join(ROOT, 'deploy/prometheus/loopgate.rules.test.yml')])
  t.equal(code, 0, output)
  const tested = JSON.stringify(readYaml('deploy/prometheus/loopgate.rules.test.yml'))
  for (const name of alerts().keys())
    t.ok(tested.split(`"alertname":"${name}"`).length >= 3, `${name} is tested both ways`)
})

t.test('every query of the dashboard is valid PromQL', { skip }, async (t) => {
  const rules = panelQueries().map((expr, index) => ({ record: `query_${index}`, expr }))
  const file = join(t.testdir(), 'queries.yml')
  writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }))
  const { code, output } = await run(['check', 'rules', '--lint-fatal', file])
  t.equal(code, 0, output)
  t.match(output, `${rules.length} rules found`)
})

t.test('the panels lie side by side and say what they show', (t) => {
  const all = panels()
  t.equal(new Set(all.map(({ id }) => id)).size, all.length, 'ids are unique')
  for (const panel of all) {
    const { x, w } = panel.gridPos
    t.ok(x >= 0 && x + w <= 24, `${panel.title} lies within the 24 columns`)
    t.notOk(
      all.find((other) => other.id > panel.id && overlap(panel.gridPos, other.gridPos)),
      `${panel.title} covers no other`,
    )
    if (panel.type === 'row') continue
    t.ok(panel.description, `${panel.title} has a description`)
    t.ok(panel.fieldConfig?.defaults.unit, `${panel.title} has a unit`)
    t.equal(panel.datasource?.uid, '${datasource}', `${panel.title} takes the data source that is chosen`)
  }
  t.end()
})

type Box = { readonly x: number; readonly y: number; readonly w: number; readonly h: number }

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

t.test('Grafana finds the data source and the dashboard where the compose file puts them', (t) => {
  const compose = readYaml('docker-compose.yml') as { services: { grafana: { volumes: string[] } } }
  const provider = readYaml('deploy/grafana/provisioning/dashboards/loopgate.yml') as {
    providers: Array<{ options: { path: string } }>
  }
  const path = provider.providers[0]?.options.path
  t.ok(compose.services.grafana.volumes.includes(`./deploy/grafana/dashboards:${path}:ro`))
  t.ok(compose.services.grafana.volumes.includes('./deploy/grafana/provisioning:/etc/grafana/provisioning:ro'))
  const source = readYaml('deploy/grafana/provisioning/datasources/prometheus.yml') as {
    datasources: Array<{ url: string }>
  }
  t.equal(source.datasources[0]?.url, 'http://prometheus:9090')
  t.end()
})

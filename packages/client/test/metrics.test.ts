import t from 'tap'
import { scratch } from './scratch-server.ts'

t.test('metrics are summed by name and labels', async (t) => {
  const text = `# HELP a_total x
# TYPE a_total counter
a_total{outcome="hit",model="m\\"1\\\\\\n"} 3
a_total{outcome="hit",model="m2"} 4
a_total{outcome="miss",model="m2"} 5
`
  const { client, seen } = await scratch(t, {}, ({ response }) =>
    response.end(`${text}# a comment\nb 1.5e3 1700\n c{} +Inf\n`),
  )
  const metrics = await client.metrics()
  t.equal(seen[0]?.url, '/metrics')
  t.equal(metrics.sum('a_total'), 12)
  t.equal(metrics.sum('a_total', { outcome: 'hit' }), 7)
  t.equal(metrics.sum('a_total', { outcome: 'hit', model: 'm"1\\\n' }), 3)
  t.equal(metrics.sum('a_total', { outcome: 'bypass' }), 0)
  t.equal(metrics.sum('absent'), 0)
  t.equal(metrics.sum('b'), 1_500)
  t.strictSame(metrics.byLabel('a_total', 'outcome'), { hit: 7, miss: 5 })
  t.strictSame(metrics.byLabel('absent', 'outcome'), {})
})

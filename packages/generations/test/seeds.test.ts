import t from 'tap'
import { ask, bench, call, streaming } from './kit.ts'

const NEW = { choose: 'new', scope: 'tenant', ttlSeconds: null, keepsLength: false, idempotencyKey: null } as const

t.test('a sample that is named or chosen has its index as the seed upstream, unless it brings one', async (t) => {
  const { generations, server } = await bench(t, streaming(), { redis: null })
  const seeds = [
    [call({ temperature: 0.8 }, { sampleIndex: 7 }), 7],
    [call({ temperature: 0.8 }, { sampleIndex: 0 }), 0],
    [call({ temperature: 0.8, seed: 3 }, { sampleIndex: 7 }), 3],
    [call({ temperature: 0.8 }, { sharing: NEW }), 1_000_000],
    [call(), undefined],
    [call({ temperature: 0.8 }), undefined],
  ] as const
  for (const [asked] of seeds) await ask(generations, asked)
  t.strictSame(
    server.calls.map(({ body }) => body['seed']),
    seeds.map(([, seed]) => seed),
  )
})

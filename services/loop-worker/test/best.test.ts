import { createClient } from '@loopgate/client'
import { completionBody } from '@loopgate/loop-engine'
import { humanEvalPython, recordedSamples } from '@loopgate/problems'
import { gateway } from '@loopgate/testkit/gateway'
import { runner } from '@loopgate/testkit/runner'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { harness, loop, passing, startWorker } from './harness.ts'

t.test('what a loop has accepted is what `best` serves for its request', async (t) => {
  const setting = await harness(t, passing())
  const simulator = await cerebrasSim(t)
  const gate = await gateway(t, {
    redis: { url: setting.redisUrl, keyPrefix: setting.keyPrefix },
    upstreamUrl: simulator.url,
    upstreamKey: simulator.apiKey,
  })
  await runner(t, { gatewayUrl: gate.url, token: gate.runnerToken, slots: 2 })
  const clientOf = (apiKey: string) => {
    const client = createClient({ baseUrl: gate.url, apiKey })
    t.teardown(() => client.close())
    return client
  }
  const { secret } = await clientOf(gate.adminKey).keys.create({ tenant: 'operators', name: 'w', scopes: ['worker'] })
  const { close } = await startWorker(t, { ...setting, gateway: { ...setting.gateway, url: gate.url, apiKey: secret } })
  // A problem of which neither the first recorded sample passes nor a late one has to be waited for.
  const { entryPoint, prompt, taskId } = recordedSamples().find(({ verdicts }) =>
    [1, 2].includes(verdicts.indexOf('P')),
  )!
  const source = humanEvalPython().find((problem) => problem.taskId === taskId)?.test ?? ''
  const request = loop({
    scaffold: prompt,
    sampling: { model: 'gpt-oss-120b', temperature: 0.8, fanOut: 3 },
    checks: [{ id: 'humaneval', entryPoint, prelude: prompt, source }],
  })
  const client = clientOf(gate.apiKey)
  const view = await setting.until((await client.loops.create(request)).id)
  t.match(view, { state: 'accepted' })
  await close()

  const asked = { body: completionBody(request), headers: { 'x-loopgate-sample': 'best' } }
  await until(async () => (await client.cache.explain(asked)).outcome === 'hit', 10_000)
  const { sampleIndex, entry } = await client.cache.explain(asked)
  t.ok((sampleIndex ?? 0) > 0, 'the first sample did not pass')
  t.equal(sampleIndex, view.accepted?.sampleIndex)
  t.match(entry?.verdict, { verdict: 'pass', evaluator: view.id })
})

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { recordedSamples } from '@loopgate/problems'
import type { TestScope } from '@loopgate/testkit/redis'
import t from 'tap'
import type { Call, FakeGateway, Script } from './fake-gateway.ts'
import { harness, lineage, loop } from './harness.ts'

const KILLS = 10
const SEED = 20261125

const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

/** Park and Miller's generator: the same kill points in every run of the test. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

/** HumanEval as it was recorded: the prompt of a task is answered by its samples. */
function recorded(): { script: Script; requests: ReturnType<typeof loop>[] } {
  const solvedWithin = (from: number, to: number) =>
    recordedSamples().filter(({ verdicts }) => verdicts.indexOf('P') >= from && verdicts.indexOf('P') < to)
  // Solved in the first wave, in a later one, and not within the budget: two of each.
  const tasks = [solvedWithin(2, 8), solvedWithin(8, 25), solvedWithin(25, 100)].flatMap((some) => some.slice(0, 2))
  const passes = new Set(
    tasks.flatMap(({ prompt, samples, verdicts }) =>
      samples.filter((_, index) => verdicts[index] === 'P').map((sample) => prompt + sample),
    ),
  )
  return {
    script: {
      answer: (prompt, sampleIndex) => {
        const task = tasks.find((task) => prompt.includes(task.prompt))
        return task?.samples[sampleIndex] ?? ''
      },
      passes: (code) => passes.has(code),
    },
    requests: tasks.map(({ prompt, entryPoint }) =>
      loop({
        goal: `Write ${entryPoint}`,
        scaffold: prompt,
        checks: [{ id: 'tests', entryPoint, source: 'def check(candidate): pass' }],
        sampling: { model: 'm', fanOut: 8 },
        budget: { iterations: 25 },
      }),
    ),
  }
}

type Setting = { readonly redisUrl: string; readonly keyPrefix: string; readonly gateway: FakeGateway }

/** The worker as it is started in production. */
function startProcess(t: TestScope, { redisUrl, keyPrefix, gateway }: Setting): ChildProcess {
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: process.env['PATH'],
      LOOPGATE_LOG_LEVEL: 'silent',
      LOOPGATE_REDIS_URL: redisUrl,
      LOOPGATE_KEY_PREFIX: keyPrefix,
      LOOPGATE_GATEWAY_URL: gateway.url,
      LOOPGATE_SERVICE_KEY: gateway.apiKey,
      LOOPGATE_STALL_MS: '400',
      LOOPGATE_SLICE_MS: '50',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

/** Runs the recorded loops to their end and gives their lineages. */
async function run(t: TestScope, disturb: (setting: Setting) => Promise<void>) {
  const { script, requests } = recorded()
  const setting = await harness(t, script)
  const ids = await Promise.all(requests.map((request) => setting.create(request)))
  await disturb(setting)
  const views = await Promise.all(ids.map((id) => setting.until(id)))
  const lineages = await Promise.all(ids.map(async (id) => lineage(await setting.events(id))))
  return { setting, views, lineages }
}

t.test(
  'however often a worker is killed, the loops end the same and pay twice only for what was in flight',
  async (t) => {
    const clean = await run(t, async (setting) => void startProcess(t, setting))
    t.ok(clean.views.some(({ state }) => state === 'accepted'))
    t.ok(clean.views.some(({ state }) => state === 'exhausted'))
    t.strictSame(
      [...clean.setting.gateway.paid.values()].filter((times) => times > 1),
      [],
      'a clean run pays once',
    )
    const callsOfCleanRun = clean.setting.gateway.calls.length

    const random = seeded(SEED)
    let lostInFlight = 0
    let kills = 0
    const killed = await run(t, async (setting) => {
      const { gateway } = setting
      for (; kills < KILLS; kills += 1) {
        const child = startProcess(t, setting)
        const exited = once(child, 'exit')
        // The very call, of either kind, during which the process dies: a share of what a run makes.
        let left = 1 + random(Math.ceil((2 * callsOfCleanRun) / KILLS))
        const struck = new Promise<void>((resolve) => {
          const strike = (): void => {
            left -= 1
            if (left > 0) return
            gateway.events.off('call', strike)
            child.kill('SIGKILL')
            lostInFlight += gateway.loseInFlight()
            resolve()
          }
          gateway.events.on('call', strike)
        })
        await struck
        await exited
      }
      startProcess(t, setting)
    })

    t.equal(kills, KILLS)
    t.strictSame(killed.lineages, clean.lineages, 'the same iterations, verdicts and candidates')
    const counts = (views: typeof clean.views) =>
      views.map(({ state, reason, counts }) => ({ state, reason, counts: { ...counts, generations: null } }))
    t.strictSame(counts(killed.views), counts(clean.views))
    const { paid } = killed.setting.gateway
    const known = clean.setting.gateway.paid
    t.strictSame(
      [...paid.keys()].filter((key) => !known.has(key)),
      [],
      'no generation that a clean run does not make',
    )
    const again = [...paid.values()].reduce((sum, times) => sum + times - 1, 0)
    t.ok(again <= lostInFlight, `${again} generations paid again, ${lostInFlight} were in flight at a kill`)
  },
)

t.test('on SIGTERM a worker hands its loops on at once and exits with 0', async (t) => {
  let exit: unknown[] = []
  const { views, setting } = await run(t, async (setting) => {
    const child = startProcess(t, setting)
    const exited = once(child, 'exit')
    const [call] = (await once(setting.gateway.events, 'call')) as [Call]
    t.equal(call.kind, 'generate')
    child.kill('SIGTERM')
    exit = await exited
    startProcess(t, setting)
  })
  t.strictSame(exit, [0, null])
  t.notOk(views.some(({ state }) => state === 'failed'))
  t.strictSame(
    [...setting.gateway.paid.values()].filter((times) => times > 1),
    [],
    'nothing was paid again',
  )
})

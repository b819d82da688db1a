import { recordedSamples } from '@loopgate/problems'
import type { Clock } from '@loopgate/service-kit'
import { Agent, request } from 'undici'

export type LoopsOptions = {
  readonly url: string
  readonly apiKey: string
  readonly model: string
  readonly loops: number
  /** All times are those of this clock. */
  readonly clock: Clock
  readonly forMs: number
  /** How long a loop waits for one answer. */
  readonly patienceMs: number
  /** What a loop does after a 429: tells the time after which it asks again, or null to give the answer up. */
  readonly after429: (attempt: number, retryAfterMs: number | null) => number | null
  readonly headers?: Readonly<Record<string, string>>
}

export type LoopsResult = {
  readonly completions: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Replies with status 429 that a loop saw. */
  readonly refusals: number
  /** Answers that a loop did not get: given up, cut off, or another error. */
  readonly failures: number
  /** From the wish to the answer, sorted, in ms. */
  readonly waitsMs: readonly number[]
}

type Reply = {
  choices: Array<{ finish_reason: string }>
  usage: { prompt_tokens: number; completion_tokens: number }
}

/**
 * Loops that ask for one recorded answer after another, each for a sample of its own, without a pause:
 * there is always more to do than the provider has room for.
 */
export async function runLoops(options: LoopsOptions): Promise<LoopsResult> {
  const { url, apiKey, model, loops, clock, forMs, patienceMs, after429 } = options
  const agent = new Agent({ connections: loops, headersTimeout: 0, bodyTimeout: 0 })
  const tasks = recordedSamples()
  const endsAt = clock.now() + forMs
  const waitsMs: number[] = []
  let [completions, promptTokens, completionTokens, refusals, failures] = [0, 0, 0, 0, 0]
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
  // The scaled clock's timers keep no process alive.
  const alive = setInterval(() => {}, 1000)

  const iterate = async (loop: number, iteration: number): Promise<void> => {
    const task = tasks[loop % tasks.length]
    const body = JSON.stringify({
      model,
      messages: [{ role: 'user', content: task?.prompt ?? '' }],
      seed: loop * 7 + iteration,
    })
    const startedAt = clock.now()
    for (let attempt = 1; clock.now() < endsAt; attempt++) {
      const reply = await request(`${url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'x-loopgate-loop': `loop-${loop}`,
          ...options.headers,
        },
        body,
      })
      const text = await reply.body.text()
      if (clock.now() > endsAt) return
      if (reply.statusCode === 429) {
        refusals++
        const told = Number(reply.headers['retry-after-ms'] ?? Number.NaN)
        const waitMs = after429(attempt, Number.isNaN(told) ? null : told)
        if (waitMs !== null && clock.now() + waitMs - startedAt < patienceMs) {
          await pause(waitMs)
          continue
        }
      }
      const { choices, usage } = reply.statusCode === 200 ? (JSON.parse(text) as Reply) : { choices: [], usage: null }
      if (usage === null || choices[0]?.finish_reason !== 'stop') return void failures++
      completions++
      promptTokens += usage.prompt_tokens
      completionTokens += usage.completion_tokens
      return void waitsMs.push(clock.now() - startedAt)
    }
  }

  const run = async (loop: number): Promise<void> => {
    for (let iteration = 0; clock.now() < endsAt; iteration++) await iterate(loop, iteration)
  }
  await Promise.all(Array.from({ length: loops }, (_, loop) => run(loop)))
  clearInterval(alive)
  await agent.destroy()
  return { completions, promptTokens, completionTokens, refusals, failures, waitsMs: waitsMs.sort((a, b) => a - b) }
}

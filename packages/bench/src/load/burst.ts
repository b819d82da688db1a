import { Pool } from 'undici'

export type BurstCall = {
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What came of one caller of a burst. */
type BurstAnswer = { readonly ms: number; readonly content: string }

export type Burst = {
  /** Sends all calls at once and resolves with their answers in the same order. */
  readonly send: (calls: readonly BurstCall[]) => Promise<BurstAnswer[]>
  readonly close: () => Promise<void>
}

/**
 * Callers that all call at the same moment, each on a connection of its own, which stays open for
 * the next burst. The answers of streams are put together, so that contents can be compared.
 */
export function createBurst(origins: readonly string[], connections: number): Burst {
  const pools = new Map(
    origins.map((origin) => [origin, new Pool(origin, { connections, headersTimeout: 60_000, bodyTimeout: 60_000 })]),
  )
  return {
    send: (calls) => Promise.all(calls.map((call) => one(pools.get(call.origin) as Pool, call))),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()))
    },
  }
}

async function one(pool: Pool, { headers, body }: BurstCall): Promise<BurstAnswer> {
  const startedAt = performance.now()
  const reply = await pool.request({ method: 'POST', path: '/v1/chat/completions', headers, body })
  const text = await reply.body.text()
  const ms = performance.now() - startedAt
  if (reply.statusCode !== 200) throw new Error(`a caller was answered ${reply.statusCode}: ${text.slice(0, 200)}`)
  return { ms, content: contentOf(text) }
}

type Choice = { readonly message?: { readonly content?: string }; readonly delta?: { readonly content?: string } }

/** The text of an answer, whether document or stream. @throws Error for a stream without its end */
function contentOf(text: string): string {
  const choiceOf = (json: string): Choice => (JSON.parse(json) as { choices: Choice[] }).choices[0] ?? {}
  if (!text.startsWith('data:')) return choiceOf(text).message?.content ?? ''
  if (!text.includes('data: [DONE]')) throw new Error('a stream ended without [DONE]')
  const events = text.split('\n').filter((line) => line.startsWith('data: {'))
  return events.map((line) => choiceOf(line.slice(6)).delta?.content ?? '').join('')
}

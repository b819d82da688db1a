import { until as untilWithin } from '@loopgate/testkit/until'
import { type GatewayOptions, gatewayProcess, type TestGatewayProcess } from '@loopgate/testkit/gateway'
import { metric } from '@loopgate/testkit/metrics'
import { redis } from '@loopgate/testkit/redis'
import type { Test } from 'tap'
import { post, QUESTION } from './kit.ts'

export const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
export const delta = (content: string) => event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: { content } }] })
const FINISH = event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USAGE })
export const END = `${FINISH}data: [DONE]\n\n`
export const TEXT = 'Hello 🌍'

type Gate = { readonly url: string; readonly apiKey: string }

// A machine under load may keep Redis waiting for longer than any caller should, and before it is there a
// process has a secret of its own: here that is not the question.
export const env: Readonly<Record<string, string>> = {
  LOOPGATE_REPLICA_TTL_MS: '1500',
  LOOPGATE_CACHE_TIMEOUT_MS: '10000',
  LOOPGATE_CACHE_SECRET: 'of-all-gateways-of-this-test-0123456789',
}

/** Gateways as processes over one Redis that know each other. */
export async function replicas(t: Test, count: number, upstreamUrl: string) {
  const store = await redis(t)
  return { store, gates: await processes(t, count, { upstreamUrl, redis: store, env }) }
}

/** The same with settings of the test's own. */
export async function processes(t: Test, count: number, options: GatewayOptions) {
  const gates = await Promise.all(Array.from({ length: count }, () => gatewayProcess(t, options)))
  for (const gate of gates) await until(async () => (await metric(gate, 'loopgate_replica_peers')) === count - 1)
  return gates as [TestGatewayProcess, TestGatewayProcess, TestGatewayProcess]
}

/** Waits for what another process does and does not tell. */
export const until = (holds: () => Promise<boolean>): Promise<void> => untilWithin(holds, 20_000)

export { metric }

/** Whether a flight is followed on this replica. */
export const follows = (gate: Gate) =>
  until(async () => (await metric(gate, 'loopgate_claims_total{result="follow"}')) > 0)

export const ask = (gate: Gate, stream: boolean, extra: object = {}) =>
  post(gate, { ...QUESTION, temperature: 0, stream, ...extra })

/** A caller whose connection can be cut, and that says when it has got a text. */
export function caller(gate: Gate, body: object) {
  const gone = new AbortController()
  const reply = fetch(`${gate.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...QUESTION, temperature: 0, ...body }),
    signal: gone.signal,
  })
  reply.catch(() => {})
  return { reply, leave: () => gone.abort() }
}

/** What a reply says, or null for one that says that it failed. Throws for a truncated success. */
export function contentOf(status: number, text: string, stream: boolean): string | null {
  if (status !== 200) return null
  if (!stream) {
    const reply = JSON.parse(text) as { choices: { message: { content: string } }[] }
    return reply.choices[0]?.message.content ?? ''
  }
  const chunks = text.split('\n\n').flatMap((part) => (part.startsWith('data: ') ? [part.slice(6)] : []))
  const parsed = chunks
    .filter((chunk) => chunk !== '[DONE]')
    .map((chunk) => JSON.parse(chunk) as { choices: { delta?: { content?: string }; finish_reason?: string }[] })
  if (parsed.some(({ choices }) => choices[0]?.finish_reason === 'error')) {
    if (chunks.includes('[DONE]')) throw new Error('an error and [DONE]')
    return null
  }
  if (!chunks.includes('[DONE]')) throw new Error(`a truncated success: ${text}`)
  return parsed.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
}

/** Reads a stream until it has said this; `rest` reads on and gives everything. */
export async function readUntil(reply: Response, text: string) {
  const reader = reply.body!.pipeThrough(new TextDecoderStream()).getReader()
  let got = ''
  while (!got.includes(text)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`ended before ${text}: ${got}`)
    got += value
  }
  const rest = async (): Promise<string> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) got += part.value
    return got
  }
  return { rest }
}

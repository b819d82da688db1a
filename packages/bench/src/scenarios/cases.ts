import { direct } from '../targets/direct.ts'
import { fastifyDispatch, fastifyMemory } from '../targets/floors.ts'
import { loopgate } from '../targets/loopgate.ts'
import { nginx, nginxCache } from '../targets/nginx.ts'
import { portkey, portkeyStreaming } from '../targets/portkey.ts'
import type { Target } from '../targets/target.ts'

/** One kind of load, put on each of its targets. */
export type Case = {
  readonly name: string
  readonly title: string
  readonly unit: 'request' | 'chunk'
  readonly connections: number
  readonly body: string
  /** Events of one streamed reply; undefined for a case that does not stream. */
  readonly events?: number
  readonly targets: readonly Target[]
}

/** Events of one reply: a code answer of about 500 pieces. */
const EVENTS = 500
/** Size of a request, near that of a prompt with one short function. */
const PROMPT_BYTES = 1024

/**
 * A request that nobody may answer from a cache: temperature 1 and no seed, so that every target
 * does the same work. `fields` may make it cacheable or streamed.
 */
function body(fields: Readonly<Record<string, unknown>>): string {
  const prompt = 'Write a function that adds two numbers. '.repeat(40).slice(0, PROMPT_BYTES)
  const messages = [{ role: 'user', content: prompt }]
  return JSON.stringify({ model: 'gpt-oss-120b', messages, temperature: 1, ...fields })
}

const stream = { stream: true, max_tokens: EVENTS, top_p: 1 }

/** A streamed request of so many events that nobody may answer from a cache; `paced`: as fast as the provider is. */
export const streamBody = (events: number, pace: 'at once' | 'paced' = 'at once'): string =>
  body({ ...stream, max_tokens: events, ...(pace === 'paced' ? { top_p: 0.25 } : {}) })

export const GATEWAY_CASES: readonly Case[] = [
  {
    name: 'json',
    title: 'POST, 1 KB in and out, 64 connections',
    unit: 'request',
    connections: 64,
    body: body({ max_tokens: 250 }),
    targets: [direct, nginx, portkey, fastifyDispatch, loopgate],
  },
  {
    name: 'json-one',
    title: 'the same over one connection: latency without load',
    unit: 'request',
    connections: 1,
    body: body({ max_tokens: 250 }),
    targets: [direct, nginx, portkey, fastifyDispatch, loopgate],
  },
  {
    name: 'cache-hit',
    title: 'one cacheable POST again and again, 64 connections',
    unit: 'request',
    connections: 64,
    body: body({ max_tokens: 250, temperature: 0, seed: 7 }),
    targets: [nginxCache, fastifyMemory, loopgate],
  },
  {
    name: 'sse-bulk',
    title: `streams of ${EVENTS} events, upstream writes up to 64 KB at once, 16 connections`,
    unit: 'chunk',
    connections: 16,
    body: body(stream),
    events: EVENTS,
    targets: [direct, nginx, portkeyStreaming, fastifyDispatch, loopgate],
  },
  {
    name: 'sse-single',
    title: `streams of ${EVENTS} events, upstream writes each by itself, 16 connections`,
    unit: 'chunk',
    connections: 16,
    body: body({ ...stream, top_p: 0.5 }),
    events: EVENTS,
    targets: [direct, nginx, portkeyStreaming, fastifyDispatch, loopgate],
  },
]

import { hash } from 'node:crypto'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { PassThrough } from 'node:stream'
import { createPeers, createUpstream } from '@loopgate/cerebras'
import { type Clock, createLogger, createRegistry, newId, Secret, systemClock } from '@loopgate/service-kit'
import { redis } from '@loopgate/testkit/redis'
import { beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import type { Test } from 'tap'
import { generationKey } from '../src/cache/keys.ts'
import {
  createGenerations,
  type Generation,
  type GenerationCall,
  type Generations,
  type SchedulingOptions,
  type Ticket,
} from '../src/index.ts'

type BenchOptions = {
  readonly clock?: Clock
  readonly redis?: { readonly url: string; readonly keyPrefix: string } | null
  readonly secret?: string | null
  readonly memoryBytes?: number
  readonly flightBytes?: number
  readonly ttlSeconds?: number
  readonly idleMs?: number
  readonly redisTimeoutMs?: number
  readonly allowShared?: boolean
  readonly scheduling?: Partial<SchedulingOptions>
}

/** Generations before an upstream whose every byte the test decides. Several may share one Redis. */
export async function bench(t: Test, answer: (call: ScratchCall) => unknown, options: BenchOptions = {}) {
  const server = await scratchUpstream(t, answer)
  const own = options.redis === undefined ? await redis(t) : null
  const store = options.redis ?? own
  /** One more replica; `via` are other ways to the same Redis and upstream. */
  const replica = (via: { readonly redisUrl?: string; readonly upstreamUrl?: string } = {}) => {
    const registry = createRegistry({ processMetrics: false })
    const deps = { clock: options.clock ?? systemClock, logger: createLogger('test', 'silent'), registry }
    const idleMs = options.idleMs ?? 30_000
    const upstream = createUpstream(deps, {
      url: via.upstreamUrl ?? server.url,
      organisations: [{ name: 'default', keys: [new Secret('csk-test')], models: null }],
      idleMs,
      // Where most calls fail because the test wants it, they are called all the same.
      breaker: { leastCalls: Number.POSITIVE_INFINITY },
    })
    const generations = createGenerations(
      { ...deps, upstream, peers: createPeers(deps) },
      {
        replicaId: newId('replica'),
        redisUrl: via.redisUrl ?? store?.url ?? null,
        keyPrefix: store?.keyPrefix ?? 'none',
        ...(options.redisTimeoutMs !== undefined && { redisTimeoutMs: options.redisTimeoutMs }),
        ttlSeconds: options.ttlSeconds ?? 3600,
        allowShared: options.allowShared ?? false,
        memoryBytes: options.memoryBytes ?? 8 * 1024 * 1024,
        // Shorter than any pause that a fault asks for, so that it is told at once unless a test wants to wait.
        // One call each: what becomes of a fault is seen at once.
        scheduling: { deadlineMs: 500, maxTries: 1, ...options.scheduling },
        flightBytes: options.flightBytes ?? 1024 * 1024,
        ...(options.secret === null ? {} : { secret: new Secret(options.secret ?? 'secret') }),
      },
    )
    t.teardown(async () => {
      await generations.close()
      await upstream.close()
    })
    const metric = async (name: string, labels = ''): Promise<number> => {
      const line = (await registry.metrics()).split('\n').find((entry) => entry.startsWith(`${name}${labels} `))
      return Number(line?.split(' ')[1] ?? 0)
    }
    return { generations, metric }
  }
  const first = replica()
  return { ...first, server, replica, store: looksInto(own) }
}

/** What the test may see and do in its own Redis. */
function looksInto(own: Awaited<ReturnType<typeof redis>> | null) {
  const client = () => {
    if (own === null) throw new Error('this test has no Redis of its own')
    return own.client
  }
  return {
    get client() {
      return client()
    },
    secretKey: `${own?.keyPrefix}:gen:secret`,
    /** The Redis key of a generation, once it is stored; writing is not waited for by callers. */
    async keyOf({ key }: Generation): Promise<string> {
      const name = generationKey(own?.keyPrefix ?? '', key ?? '')
      while ((await client().exists(name)) === 0) await new Promise(setImmediate)
      return name
    },
  }
}

/** Answers every call with the chunks of `content`, one write each. */
export const streaming =
  (content: readonly string[] = ['Hel', 'lo ', '🌍'], finish = 'stop') =>
  (call: ScratchCall): void => {
    const response = beginStream(call)
    for (const bytes of chunksOf(content, finish)) response.write(bytes)
    response.end()
  }

export const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

const BASE = { id: 'chatcmpl-1', created: 1795000000, model: 'm', system_fingerprint: 'fp_1' }

export const event = (value: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(value)}\n\n`)

export function chunk(delta: object, choice: object = {}, rest: object = {}) {
  const [{ id, ...base }, object] = [BASE, 'chat.completion.chunk']
  return { id, choices: [{ delta, ...choice, index: 0 }], ...base, object, ...rest }
}

export function chunksOf(content: readonly string[], finish = 'stop'): Buffer[] {
  return [
    event(chunk({ role: 'assistant' })),
    ...content.map((text) => event(chunk({ content: text }))),
    event(chunk({}, { finish_reason: finish }, { usage: USAGE, time_info: { total_time: 0.1 } })),
    Buffer.from('data: [DONE]\n\n'),
  ]
}

export function documentOf(content: string, finish = 'stop', message: object = {}) {
  const { id, ...base } = BASE
  const choice = { finish_reason: finish, index: 0, message: { content, role: 'assistant', ...message } }
  return { id, choices: [choice], ...base, object: 'chat.completion', usage: USAGE, time_info: { total_time: 0.1 } }
}

type Wishes = Partial<Omit<GenerationCall, 'body'>> & {
  readonly noStore?: boolean
  readonly noCache?: boolean
  readonly maxAge?: number
}

/** A call that may be shared, unless told otherwise. */
export function call(
  body: Record<string, unknown> = {},
  { noStore, noCache, maxAge, ...wishes }: Wishes = {},
): GenerationCall {
  return {
    surface: 'chat',
    tenant: 'acme',
    body: { model: 'm', messages: [{ role: 'user', content: 'hello' }], temperature: 0, ...body },
    original: null,
    sampleIndex: null,
    freshness: { noStore: noStore ?? false, noCache: noCache ?? false, maxAgeSeconds: maxAge ?? null },
    headers: {},
    ...wishes,
  }
}

/** What came as these bytes. */
export function originalOf(text: string): GenerationCall['original'] {
  const bytes = Buffer.from(text)
  return { bytes, digest: hash('sha256', bytes, 'base64') }
}

export type Answer = {
  readonly generation: Generation
  /** The bytes that the caller got. */
  readonly text: string
  /** What the message says. */
  readonly content: string
}

/** Asks and reads to the end. */
export async function ask(generations: Generations, asked: GenerationCall = call()): Promise<Answer> {
  return await read(generations.generate(asked))
}

export async function read(ticket: Ticket): Promise<Answer> {
  const generation = await ticket.ready
  const bytes = await readAll(generation)
  return { generation, text: bytes, content: contentOf(generation.content.kind, bytes) }
}

async function readAll({ content }: Generation): Promise<string> {
  if (content.kind === 'document') return content.bytes.toString('utf8')
  const sink = new PassThrough()
  content.pipe(sink)
  return await text(sink)
}

export const dataOf = (stream: string): string[] =>
  stream.split('\n\n').flatMap((event) => (event.startsWith('data: ') ? [event.slice('data: '.length).trim()] : []))

export function contentOf(kind: 'document' | 'stream', bytes: string): string {
  if (kind === 'document') {
    const reply = JSON.parse(bytes) as { choices: { message: { content?: string } }[] }
    return reply.choices[0]?.message.content ?? ''
  }
  return dataOf(bytes)
    .filter((data) => data !== '[DONE]')
    .map(
      (data) => (JSON.parse(data) as { choices: { delta?: { content?: string } }[] }).choices[0]?.delta?.content ?? '',
    )
    .join('')
}

/** A reader that takes nothing until it is told to go on. */
export function slowSink() {
  const pieces: Buffer[] = []
  const waiting: (() => void)[] = []
  let open = false
  const sink = new Writable({
    highWaterMark: 1,
    write(piece: Buffer, _, done) {
      pieces.push(piece)
      if (open) done()
      else waiting.push(done)
    },
  })
  return {
    sink,
    text: () => Buffer.concat(pieces).toString('utf8'),
    goOn() {
      open = true
      for (const done of waiting.splice(0)) done()
    },
  }
}

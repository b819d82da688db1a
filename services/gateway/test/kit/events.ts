import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import type { TestScope } from '@loopgate/testkit/redis'

/** A streamed reply in the test's hands: read line by line, and only when asked to. */
export type StreamedReply = {
  readonly status: number
  readonly contentType: string
  /** The next line that is JSON, or the `data` of the next event; null at the end. */
  readonly next: () => Promise<Record<string, unknown> | null>
  /** All that is left. */
  readonly rest: () => Promise<Record<string, unknown>[]>
  readonly leave: () => void
}

/** POSTs JSON and gives the reply as soon as its headers are there. */
export async function postStreamed(
  t: TestScope,
  url: string,
  { key, body, headers = {} }: { key: string; body: unknown; headers?: Record<string, string> },
): Promise<StreamedReply> {
  const call = request(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  })
  call.on('error', () => {})
  t.teardown(() => call.destroy())
  call.end(JSON.stringify(body))
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  const lines = linesOf(response)
  const next = async (): Promise<Record<string, unknown> | null> => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done === true) return null
      const text = value.startsWith('data: ') ? value.slice(6) : value
      if (text.startsWith('{')) return JSON.parse(text) as Record<string, unknown>
    }
  }
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? '',
    next,
    async rest() {
      const all: Record<string, unknown>[] = []
      for (let item = await next(); item !== null; item = await next()) all.push(item)
      return all
    },
    leave: () => call.destroy(),
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string, void> {
  let text = ''
  try {
    for await (const chunk of response.iterator({ destroyOnReturn: false })) {
      text += String(chunk)
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      yield* lines
    }
  } catch {
    // Cut: what came is all there is.
  }
}

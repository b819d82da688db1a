import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestScope } from './redis.ts'

/** One request that reached the scratch upstream. */
export type ScratchCall = {
  /** From 1, in the order of arrival. */
  readonly serial: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON. */
  readonly body: Record<string, unknown>
  readonly response: ServerResponse
  /** Resolves when the peer closed the connection before the reply was finished. */
  readonly abandoned: Promise<void>
}

export type ScratchUpstream = {
  readonly url: string
  readonly calls: ScratchCall[]
  /** The call with this serial number, awaited if it has not come yet. */
  readonly call: (serial: number) => Promise<ScratchCall>
}

/**
 * An upstream whose every byte the test decides: for what a faithful simulator cannot do, such as
 * cutting a reply at a given byte. Listens on a free port of loopback.
 */
export async function scratchUpstream(t: TestScope, answer: (call: ScratchCall) => unknown): Promise<ScratchUpstream> {
  const calls: ScratchCall[] = []
  const waiting = new Map<number, PromiseWithResolvers<ScratchCall>>()
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    const { promise: abandoned, resolve } = Promise.withResolvers<void>()
    response.on('close', () => {
      if (!response.writableFinished) resolve()
    })
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString('utf8')
      const call: ScratchCall = {
        serial: calls.length + 1,
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        text,
        get body() {
          return JSON.parse(text) as Record<string, unknown>
        },
        response,
        abandoned,
      }
      calls.push(call)
      waiting.get(call.serial)?.resolve(call)
      answer(call)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async call(serial) {
      const come = calls[serial - 1]
      if (come !== undefined) return come
      const promised = waiting.get(serial) ?? Promise.withResolvers<ScratchCall>()
      waiting.set(serial, promised)
      return await promised.promise
    },
  }
}

/** Answers with a JSON document. */
export function answerJson(call: ScratchCall, status: number, body: unknown, headers: Record<string, string> = {}) {
  call.response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Begins a stream; what follows is up to the test. */
export function beginStream(call: ScratchCall): ServerResponse {
  return call.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
}

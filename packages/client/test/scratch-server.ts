import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, type Client, type ClientOptions } from '../src/index.ts'

type Scope = { readonly teardown: (fn: () => unknown) => void }

type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
  readonly response: ServerResponse
}

/** Answers one request after the other, each by the next of these; the last one stays. */
export type Answer = (seen: Seen) => unknown

/** A server whose every answer the test decides, and a client of it. */
export async function scratch(t: Scope, options: Partial<ClientOptions>, ...answers: Answer[]) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { method = '', url = '', headers } = request
      const one: Seen = { method, url, headers, body: text === '' ? undefined : JSON.parse(text), response }
      seen.push(one)
      answers[Math.min(seen.length, answers.length) - 1]?.(one)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const baseUrl = `http://127.0.0.1:${port}`
  const client: Client = createClient({ baseUrl, apiKey: 'sk-canary', random: () => 0, ...options })
  t.teardown(async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
  })
  return { client, seen, baseUrl, server }
}

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  ({ response }) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

export const problem = (status: number, changes: object = {}, headers: Record<string, string> = {}): Answer =>
  json(
    {
      type: 'about:blank',
      title: 'No',
      status,
      detail: 'Not now',
      instance: 'req_1',
      code: 'LG_TEST',
      retryable: true,
      ...changes,
    },
    status,
    headers,
  )

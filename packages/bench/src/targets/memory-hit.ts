// The least that a cache hit in Fastify can be: the bytes of the body are hashed, and what is known of
// them is sent. No keys, no validation, no metrics, one header. Prints its port. Arguments: the origin
// of the upstream, asked once for each body.
import { hash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { atEndOfTurn } from '@loopgate/service-kit'
import fastify from 'fastify'
import { request as ask } from 'undici'

const upstream = process.argv[2] ?? ''
const answers = new Map<string, Buffer>()
const app = fastify({ logger: false })
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post('/v1/chat/completions', async (request, reply) => {
  const body = request.body as Buffer
  const key = hash('sha256', body, 'base64')
  const answer = answers.get(key) ?? (await fromUpstream(request.url, body))
  answers.set(key, answer)
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
  atEndOfTurn(() => reply.raw.end(answer))
})
await app.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`)

async function fromUpstream(path: string, body: Buffer): Promise<Buffer> {
  const reply = await ask(upstream + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return Buffer.from(await reply.body.arrayBuffer())
}

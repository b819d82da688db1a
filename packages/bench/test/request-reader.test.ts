import * as fc from 'fast-check'
import t from 'tap'
import { createRequestReader } from '../src/mock/request-reader.ts'

const chunked = (body: string) => {
  const half = Math.ceil(body.length / 2)
  const parts = [body.slice(0, half), body.slice(half)].filter((part) => part !== '')
  return `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
}

const requests = fc.array(
  fc.record({ body: fc.stringMatching(/^[a-z{}":,]{0,60}$/), framing: fc.constantFrom('length', 'chunked', 'none') }),
  { minLength: 1, maxLength: 5 },
)

t.test('requests are read whole and in order, however the bytes are cut', (t) => {
  const property = fc.property(requests, fc.array(fc.nat(300), { maxLength: 10 }), (sent, cuts) => {
    const text = sent
      .map(({ body, framing }, index) => {
        if (framing === 'none') return `GET /${index} HTTP/1.1\r\nhost: x\r\n\r\n`
        const head = framing === 'length' ? `Content-Length: ${body.length}` : 'transfer-encoding: chunked'
        return `POST /${index} HTTP/1.1\r\n${head}\r\n\r\n${framing === 'length' ? body : chunked(body)}`
      })
      .join('')
    const seen: string[] = []
    const read = createRequestReader(({ line }) => seen.push(line.split(' ')[1] as string))
    const bytes = Buffer.from(text)
    const edges = [0, ...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
    for (const [index, edge] of edges.slice(0, -1).entries()) read(bytes.subarray(edge, edges[index + 1]))
    return seen.join() === sent.map((_request, index) => `/${index}`).join()
  })
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})

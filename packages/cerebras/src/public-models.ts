import { request } from 'undici'

const PATH = 'public/v1/models'
const TIMEOUT_MS = 10_000
/** A hundred models take a tenth of a megabyte. */
const BYTES_MAX = 4 * 1024 * 1024

/**
 * The catalogue that an upstream publishes, with its prices; asked for without a key, by a connection that is
 * not kept. Rejects when the upstream does not answer with 200, in time and within a few megabytes.
 */
export async function fetchPublicModels(url: string): Promise<Buffer> {
  const target = new URL(PATH, url.endsWith('/') ? url : `${url}/`)
  const { statusCode, body } = await request(target, {
    headers: { accept: 'application/json', connection: 'close' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (statusCode !== 200) {
    await body.dump()
    throw new Error(`the upstream answered ${statusCode}`)
  }
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > BYTES_MAX) throw new Error(`the catalogue has more than ${BYTES_MAX} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

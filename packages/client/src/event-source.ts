import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { ApiError } from './api-error.ts'
import { failure, type Call } from './transport.ts'

/**
 * The server-sent events of one connection, until it ends.
 * @throws ApiError with code `bad_reply` for data that `check` refuses, `unreachable` for a cut
 */
export async function* eventsOf<T>(
  call: Call,
  body: Dispatcher.ResponseData['body'],
  check: (value: unknown) => T,
): AsyncGenerator<T, void> {
  try {
    const decoder = new TextDecoder()
    const arrived: T[] = []
    const parser = createParser({
      onEvent: ({ data }) => {
        arrived.push(parse(data, check))
      },
    })
    for await (const chunk of chunks(call, body)) {
      parser.feed(decoder.decode(chunk, { stream: true }))
      yield* arrived.splice(0)
    }
  } finally {
    // Reading on would hold the connection; an error of a body nobody reads is no news.
    body.on('error', () => {}).destroy()
  }
}

async function* chunks(call: Call, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of body) yield chunk
  } catch (cause) {
    throw failure(call, cause)
  }
}

function parse<T>(data: string, check: (value: unknown) => T): T {
  try {
    return check(JSON.parse(data))
  } catch (cause) {
    throw new ApiError({
      status: 200,
      code: 'bad_reply',
      message: 'the gateway sent an event that is not what it promises',
      retryable: false,
      cause,
    })
  }
}

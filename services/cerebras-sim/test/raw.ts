import { request, type IncomingHttpHeaders } from 'node:http'

/** What a client saw of an answer, however it ended. */
export type Seen = {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** True if the body ended as HTTP says it must. */
  readonly complete: boolean
  readonly errorCode: string | undefined
}

/** Posts JSON over a connection of its own and waits for the end of the answer, good or bad. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Seen> {
  return new Promise((resolve) => {
    let status: number | undefined
    let text = ''
    let received: IncomingHttpHeaders = {}
    let complete = false
    const finish = (errorCode?: string) => resolve({ status, headers: received, body: text, complete, errorCode })
    const call = request(url, {
      method: 'POST',
      agent: false,
      headers: { authorization: 'Bearer csk-test', 'content-type': 'application/json', ...headers },
    })
    call.on('error', (error: NodeJS.ErrnoException) => finish(error.code))
    call.on('response', (response) => {
      status = response.statusCode
      received = response.headers
      response.on('data', (data: Buffer) => (text += data.toString()))
      response.on('error', () => {})
      response.on('close', () => {
        complete = response.complete
        finish()
      })
    })
    call.end(JSON.stringify(body))
  })
}

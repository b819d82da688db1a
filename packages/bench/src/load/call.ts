/** One POST that a load generator repeats. */
export type Call = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A call as it goes over the wire. */
export function requestBytes(url: URL, call: Call): Buffer {
  const headers = { host: url.host, 'content-type': 'application/json', ...call.headers }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(
    `POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(call.body)}\r\n\r\n${call.body}`,
  )
}

import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CORES } from '../measure/pinned.ts'
import type { Call } from './call.ts'
import type { StreamTotals } from './sse-connection.ts'

const run = promisify(execFile)
const CLIENT = fileURLToPath(new URL('sse-client.ts', import.meta.url))

export type StreamFigures = StreamTotals & { readonly durationUs: number }

/** Repeats the streamed call over `connections` connections for `seconds`. */
export async function streamLoad(
  call: Call,
  options: { readonly connections: number; readonly seconds: number },
): Promise<StreamFigures> {
  const job = JSON.stringify({ ...call, ...options })
  const { stdout } = await run('taskset', ['-c', String(CORES.load), process.execPath, CLIENT, job])
  return JSON.parse(stdout) as StreamFigures
}

export type ProbedStream = {
  readonly status: number
  readonly events: number
  readonly done: boolean
  readonly text: string
}

/** Reads one whole stream and counts its events; a load run is trusted only after this was right. */
export function probeStream(call: Call): Promise<ProbedStream> {
  return new Promise((resolve, reject) => {
    const outgoing = request(call.url, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', ...call.headers },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('error', reject)
      response.on('data', (part: string) => (text += part))
      response.on('end', () => {
        const data = text.match(/^data: .*$/gm) ?? []
        const done = data.at(-1) === 'data: [DONE]'
        resolve({ status: response.statusCode ?? 0, events: data.length - (done ? 1 : 0), done, text })
      })
    })
    outgoing.end(call.body)
  })
}

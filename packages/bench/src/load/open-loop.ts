import { connect, type Socket } from 'node:net'
import { type Call, requestBytes } from './call.ts'
import { BODY_END } from './sse-connection.ts'

export type OpenLoop = {
  /** Calls sent, at the times that the rate says, whatever becomes of those before. */
  readonly offered: number
  /** Answered in full within the deadline. */
  readonly good: number
  /** Answered 429 or 503. */
  readonly refused: number
  /** Left by the caller at its deadline. */
  readonly late: number
  /** Cut off, or any other answer. */
  readonly failed: number
}

export type OpenLoopResult = OpenLoop & {
  /** Of the good ones, in no order. */
  readonly timesMs: readonly number[]
}

export type OpenLoopOptions = {
  readonly perSecond: number
  readonly seconds: number
  readonly deadlineMs: number
}

type End = 'good' | 'refused' | 'late' | 'failed'

/** How often calls are sent that have fallen due. */
const TICK_MS = 5

/**
 * Callers who come at a fixed rate and do not wait for one another, as those of a public service do.
 * Each leaves at its deadline and closes its connection. Connections are kept and used again.
 */
export async function openLoop(
  call: Call,
  { perSecond, seconds, deadlineMs }: OpenLoopOptions,
): Promise<OpenLoopResult> {
  const url = new URL(call.url)
  const request = requestBytes(url, call)
  const counts: Record<End, number> = { good: 0, refused: 0, late: 0, failed: 0 }
  const idle: Socket[] = []
  const timesMs: number[] = []
  const under: Promise<void>[] = []
  const begun = performance.now()
  let offered = 0

  for (let now = begun; now - begun < seconds * 1000; now = performance.now()) {
    const due = Math.floor(((now - begun) / 1000) * perSecond)
    for (; offered < due; offered++) under.push(one())
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  await Promise.all(under)
  for (const socket of idle) socket.destroy()
  return { offered, ...counts, timesMs }

  async function one(): Promise<void> {
    const sentAt = performance.now()
    const end = await ask(idle.pop() ?? connect({ host: url.hostname, port: Number(url.port), noDelay: true }))
    counts[end]++
    if (end === 'good') timesMs.push(performance.now() - sentAt)
  }

  function ask(socket: Socket): Promise<End> {
    return new Promise((resolve) => {
      let head = ''
      // Reset, or the ports of those who left would run out: each stays taken for a minute after a close.
      const finish = (end: End, keep: boolean): void => {
        clearTimeout(timer)
        socket.removeAllListeners()
        socket.on('error', () => {})
        if (keep && !/^connection: close/im.test(head)) {
          idle.push(socket)
          socket.once('close', () => void idle.splice(idle.indexOf(socket) >>> 0, 1))
        } else socket.resetAndDestroy()
        resolve(end)
      }
      const timer = setTimeout(() => finish('late', false), deadlineMs)
      socket.on('error', () => finish('failed', false))
      socket.on('close', () => finish('failed', false))
      socket.on('data', (bytes: Buffer) => {
        if (head === '') head = bytes.toString('latin1', 0, 1024).split('\r\n\r\n', 1)[0] ?? ''
        // A refusal fits into one read.
        if (/^HTTP\/1\.1 (429|503)/.test(head)) finish('refused', true)
        else if (!head.startsWith('HTTP/1.1 200')) finish('failed', false)
        else if (bytes.subarray(-BODY_END.length).equals(BODY_END)) finish('good', true)
      })
      socket.write(request)
    })
  }
}

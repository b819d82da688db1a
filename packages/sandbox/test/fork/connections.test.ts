import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { limitsSchema } from '@loopgate/contracts'
import { systemClock } from '@loopgate/service-kit'
import t from 'tap'
import { createNoCgroups } from '../../src/cgroups/none.ts'
import { startFork, type ForkDeps } from '../../src/fork/start-fork.ts'
import type { Links } from '../../src/fork/links.ts'
import { NO_RUNTIME } from '../support/runtime.ts'

t.test(
  'a program is let go once all its connections are here, or a short one’s output would come too late',
  async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const pair = async (): Promise<[ours: Socket, theirs: Socket]> => {
      const accepted = once(server, 'connection')
      const theirs = connect((server.address() as AddressInfo).port, '127.0.0.1')
      const [ours] = (await accepted) as [Socket]
      t.teardown(() => [ours, theirs].forEach((each) => each.destroy()))
      return [ours, theirs]
    }
    // In place of a fork: this process, and below it one that does nothing.
    const child = spawn('/bin/sleep', ['60'])
    t.teardown(() => {
      child.kill('SIGKILL')
      server.close()
    })
    await once(child, 'spawn')
    let onLink: Parameters<Links['expect']>[1] = () => {}
    let onExit: (status: number | null) => void = () => {}
    const zygote = {
      fork: (
        _request: unknown,
        handlers: { onPid: (pid: number) => void; onExit: (status: number | null) => void },
      ) => {
        onExit = handlers.onExit
        handlers.onPid(process.pid)
      },
      kill: () => {},
    }
    const deps = {
      jail: { clock: systemClock, cgroups: createNoCgroups(), background: () => {} },
      links: { expect: (_ticket: string, handle: typeof onLink) => ((onLink = handle), () => {}) },
      zygotes: { take: () => zygote, distrust: () => {} },
    } as unknown as ForkDeps
    const limits = limitsSchema.parse({})
    const jail = startFork(deps, { id: 'e', runtime: NO_RUNTIME, role: 'check', limits, stdin: null })
    const [channel, output, errors, record] = [await pair(), await pair(), await pair(), await pair()]
    let told = ''
    channel[1].on('data', (chunk: Buffer) => (told += chunk.toString()))

    onLink('c', channel[0])
    onLink('e', errors[0])
    onLink('r', record[0])
    await new Promise<void>((resolve) => void setImmediate(resolve))
    t.equal(told, '')
    onLink('o', output[0])
    await once(channel[1], 'data')
    t.equal(told, 'g')
    // The program and its output end before anything else of it is heard.
    for (const [, theirs] of [output, errors, record, channel]) theirs.end(theirs === output[1] ? '2\n' : '')
    onExit(0)
    t.equal((await jail.ended).stdout, '2\n')
  },
)

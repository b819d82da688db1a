import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { holdPort } from './hold.ts'

/** Said to the user as it is: no stack, no surprise. */
export class StackError extends Error {}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1' })
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  } catch {
    return undefined
  } finally {
    server.close()
  }
}

export type Ports = {
  /**
   * The port a process shall have: the one that the environment names, else `preferred`.
   * A port that the user named and that is busy is an error; an unnamed one is only when `strict`.
   * @throws StackError naming the variable to set
   */
  readonly choose: (variable: string, preferred: number, strict: boolean) => Promise<number>
  /** Lets other stacks have what was chosen. */
  readonly release: () => void
}

/** Tries for a free port; the kernel seldom names one that another stack has just chosen. */
const TRIES = 20

/** Ports of one stack: no other stack that is being started on this machine chooses the same. */
export function createPorts(): Ports {
  const releases: (() => void)[] = []

  const take = async (wanted: number): Promise<number | undefined> => {
    const port = await tryPort(wanted)
    const release = port === undefined ? null : await holdPort(port)
    if (release === null) return undefined
    releases.push(release)
    return port
  }
  const takeAny = async (): Promise<number> => {
    for (let tried = 0; tried < TRIES; tried++) {
      const port = await take(0)
      if (port !== undefined) return port
    }
    throw new StackError('There is no free port on 127.0.0.1.')
  }

  return {
    async choose(variable, preferred, strict) {
      const named = process.env[variable]
      const wanted = named === undefined || named === '' ? preferred : Number(named)
      if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535) {
        throw new StackError(`${variable}=${named} is not a port: give a whole number from 0 to 65535`)
      }
      if (wanted === 0) return await takeAny()
      const got = await take(wanted)
      if (got !== undefined) return got
      if (strict || named) {
        throw new StackError(`Port ${wanted} is already in use. Stop what uses it, or set ${variable} to another port.`)
      }
      return await takeAny()
    },
    release() {
      for (const release of releases.splice(0)) release()
    },
  }
}

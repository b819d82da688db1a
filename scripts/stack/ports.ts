import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

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

/**
 * The port a process shall have: the one that the environment names, else `preferred`.
 * A port that the user named and that is busy is an error; an unnamed one is only when `strict`.
 * @throws StackError naming the variable to set
 */
export async function choosePort(variable: string, preferred: number, strict: boolean): Promise<number> {
  const named = process.env[variable]
  const wanted = named === undefined || named === '' ? preferred : Number(named)
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535) {
    throw new StackError(`${variable}=${named} is not a port: give a whole number from 0 to 65535`)
  }
  const got = await tryPort(wanted)
  if (got !== undefined) return got
  if (strict || named) {
    throw new StackError(`Port ${wanted} is already in use. Stop what uses it, or set ${variable} to another port.`)
  }
  return (await tryPort(0)) as number
}

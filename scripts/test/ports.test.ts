import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { createPorts } from '../stack/ports.ts'

const VARIABLE = 'LOOPGATE_PORT'

t.test('a busy port is told with the variable that changes it', async (t) => {
  const { choose } = createPorts()
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  await t.rejects(choose(VARIABLE, port, true), new RegExp(`Port ${port} is already in use.*${VARIABLE}`))
  t.not(await choose(VARIABLE, port, false), port, 'where any port will do, a free one is taken')

  process.env[VARIABLE] = String(port)
  t.teardown(() => delete process.env[VARIABLE])
  await t.rejects(choose(VARIABLE, 0, false), /already in use/, 'a port that the user named is never swapped')
  process.env[VARIABLE] = 'http'
  await t.rejects(choose(VARIABLE, 0, false), /LOOPGATE_PORT=http is not a port/)
})

t.test('two stacks that are started at once never choose the same port', async (t) => {
  const [one, other] = [createPorts(), createPorts()]
  t.teardown(() => [one, other].forEach(({ release }) => release()))
  const free = await createPorts().choose('LOOPGATE_NO_PORT', 0, true)
  const [first, second] = await Promise.all(
    [one, other].map(({ choose }) => choose('LOOPGATE_NO_PORT', free + 1, false)),
  )
  t.not(first, second)
  await t.rejects(other.choose('LOOPGATE_NO_PORT', first ?? 0, true), /already in use/)
  one.release()
  t.equal(await other.choose('LOOPGATE_NO_PORT', first ?? 0, true), first, 'once it is let go')
})

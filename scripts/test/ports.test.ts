import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { choosePort } from '../stack/ports.ts'

const VARIABLE = 'LOOPGATE_PORT'

t.test('a busy port is told with the variable that changes it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  await t.rejects(choosePort(VARIABLE, port, true), new RegExp(`Port ${port} is already in use.*${VARIABLE}`))
  t.not(await choosePort(VARIABLE, port, false), port, 'where any port will do, a free one is taken')

  process.env[VARIABLE] = String(port)
  t.teardown(() => delete process.env[VARIABLE])
  await t.rejects(choosePort(VARIABLE, 0, false), /already in use/, 'a port that the user named is never swapped')
  process.env[VARIABLE] = 'http'
  await t.rejects(choosePort(VARIABLE, 0, false), /LOOPGATE_PORT=http is not a port/)
})

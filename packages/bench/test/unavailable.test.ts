import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { table } from '../src/report/table.ts'
import type { Case } from '../src/scenarios/cases.ts'
import { gatewayBench } from '../src/scenarios/gateway.ts'
import type { Target } from '../src/targets/target.ts'
import { shortRun } from './options.ts'

/** A target that answers call n as `answer` says. */
function stub(name: string, answer: (response: ServerResponse, call: number) => void): Target {
  return {
    name,
    label: name,
    start: async () => {
      let calls = 0
      const server = createServer((request, response) => {
        request.resume().on('end', () => answer(response, (calls += 1)))
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      return {
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        headers: {},
        pids: () => [process.pid],
        stop: async () => {
          server.closeAllConnections()
          server.close()
        },
      }
    },
  }
}

const load = (targets: readonly Target[], events?: number): Case => ({
  name: events === undefined ? 'json' : 'sse',
  title: 'a case of a test',
  unit: events === undefined ? 'request' : 'chunk',
  connections: 2,
  body: '{}',
  ...(events === undefined ? {} : { events }),
  targets,
})
const GOOD = '{"choices":[{"message":{"content":"x"}}]}'

t.test('a target that cannot be had becomes a row that says why, and the others are measured', async (t) => {
  const absent: Target = {
    name: 'absent',
    label: 'absent',
    start: async () => {
      throw new Error('not to be had here')
    },
  }
  const works = stub('works', (response) => response.end(GOOD))
  const report = await gatewayBench(await shortRun(t.testdir(), [load([absent, works])]))
  t.match(report.unavailable, [{ target: 'absent', unavailable: 'not to be had here' }])
  t.match(report.rows, [{ target: 'works' }])
  t.match(table(report), /json: absent was not measured: not to be had here/)
})

t.test('a target that answers wrongly is never given a figure', async (t) => {
  const refuses = stub('refuses', (response) => response.writeHead(500).end('broken'))
  const empty = stub('empty', (response) => response.end('{}'))
  const failsLater = stub('fails-later', (response, call) => response.writeHead(call > 3 ? 503 : 200).end(GOOD))
  const report = await gatewayBench(await shortRun(t.testdir(), [load([refuses, empty, failsLater])]))
  t.strictSame(report.rows, [])
  t.match(report.unavailable, [
    { target: 'refuses', unavailable: /answered 500: broken/ },
    { target: 'empty', unavailable: /no content in the answer/ },
    { target: 'fails-later', unavailable: /"status":[1-9]/ },
  ])
})

t.test('a stream that is cut or short is never counted', async (t) => {
  const event = 'data: {"choices":[]}\n\n'
  const done = 'data: [DONE]\n\n'
  const chunked = (response: ServerResponse, text: string) => {
    response.write(text)
    response.end()
  }
  const short = stub('short', (response) => chunked(response, event + done))
  const cut = stub('cut', (response) => chunked(response, event.repeat(2)))
  const cutLater = stub('cut-later', (response, call) =>
    chunked(response, call > 3 ? event.repeat(2) : event.repeat(2) + done),
  )
  const report = await gatewayBench(await shortRun(t.testdir(), [load([short, cut, cutLater], 2)]))
  t.strictSame(report.rows, [])
  t.match(report.unavailable, [
    { target: 'short', unavailable: /1 events of 2, with \[DONE\]/ },
    { target: 'cut', unavailable: /2 events of 2, without \[DONE\]/ },
    { target: 'cut-later', unavailable: /"incomplete":[1-9]/ },
  ])
})

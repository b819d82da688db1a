import { readFileSync } from 'node:fs'
import { ENV_NAMES, ERRORS } from '@loopgate/service-kit'
import t from 'tap'
import { pages } from '../src/docs/pages.ts'

const made = await pages()
const stored = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')
const HINT = 'run `node services/gateway/src/docs/write.ts`'

for (const name of ['errors.md', 'configuration.md', 'metrics.md']) {
  t.test(`docs/${name} is what the code says`, async (t) => {
    t.equal(stored(name), made[name], HINT)
  })
}

t.test('docs/openapi.json is what the code says', async (t) => {
  // As data: the formatter lays the file out in its own way.
  t.strictSame(JSON.parse(stored('openapi.json')), JSON.parse(made['openapi.json']!), HINT)
})

t.test('no error, setting or metric is missing from its page', async (t) => {
  for (const code of Object.keys(ERRORS)) t.match(made['errors.md'], `\`${code}\``)
  for (const name of Object.keys(ENV_NAMES)) t.match(made['configuration.md'], `\`${name}\``)
  const fixed = ['upstream_requests', 'generations', 'executions', 'loop_iterations', 'http_requests', 'loops']
  for (const name of fixed) t.match(made['metrics.md'], `\`loopgate_${name}_total\``)
})

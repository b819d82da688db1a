// Writes the generated pages into docs/, laid out as the repository's formatter wants them.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pages } from './pages.ts'

const docs = new URL('../../../../docs/', import.meta.url)
const formatter = fileURLToPath(new URL('../node_modules/.bin/oxfmt', docs))
const made = await pages()
for (const [name, text] of Object.entries(made)) writeFileSync(new URL(name, docs), text)
execFileSync(formatter, [fileURLToPath(new URL('openapi.json', docs))])

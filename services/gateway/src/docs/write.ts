// Writes the generated pages into docs/.
import { writeFileSync } from 'node:fs'
import { pages } from './pages.ts'

const folder = new URL('../../../../docs/', import.meta.url)
for (const [name, text] of Object.entries(await pages())) writeFileSync(new URL(name, folder), text)

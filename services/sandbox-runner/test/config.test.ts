import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../src/config.ts'

const ENV = { LOOPGATE_GATEWAY_URL: 'http://127.0.0.1:1', LOOPGATE_RUNNER_TOKEN: 'rt-0123456789abcdef' }
const ROW = { language: 'perl', version: ['perl', '-v'], run: ['perl', '{entry}'], fileName: 'a.pl', probe: 'exit 0' }
const languages = (value: string) => readConfig({ ...ENV, LOOPGATE_RUNNER_LANGUAGES: value }).LOOPGATE_RUNNER_LANGUAGES

t.test('the table of languages is JSON or the path of a file', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'languages.json')
  writeFileSync(path, JSON.stringify([ROW]))
  t.same(languages(path), languages(JSON.stringify([ROW])))
  t.match(languages(path), [{ language: 'perl', folders: [], ownProcesses: 0 }])
  t.same(readConfig(ENV).LOOPGATE_RUNNER_LANGUAGES, [])
  t.end()
})

t.test('a table with a fault is refused with its place', (t) => {
  t.throws(() => languages('{'), /LOOPGATE_RUNNER_LANGUAGES.*JSON/s)
  t.throws(() => languages('/no/such/file'), /LOOPGATE_RUNNER_LANGUAGES.*ENOENT/s)
  t.throws(() => languages(JSON.stringify([{ ...ROW, run: [] }])), /run/)
  t.throws(() => languages(JSON.stringify([{ ...ROW, shell: true }])), /shell/)
  t.throws(() => languages(JSON.stringify([ROW, ROW])), /two rows have one name/)
  t.throws(() => languages(JSON.stringify([{ ...ROW, language: 'python' }])), /python.*cannot be replaced/s)
  t.end()
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readySandbox, sandboxFor } from './support/sandbox.ts'

const { run, sandbox } = await sandboxFor(t)
const offered = new Map((await sandbox.selfTest()).languages.map(({ language, version }) => [language, version]))
const without = (language: string) => (offered.has(language) ? false : `no tools for ${language} here`)
const program = (language: string, path: string, content: string, rest: object = {}) =>
  run({ language, files: [{ path, content }], ...rest })

t.test('languages are announced with the version of the tools that were found', (t) => {
  t.match(offered.get('shell'), /^(bash \d+\.\d+|sh POSIX)/)
  if (offered.has('c')) t.match(offered.get('c'), /^(gcc|clang) \d+\.\d+/)
  t.end()
})

t.test('a shell script gets its arguments and input, and its status comes back', async (t) => {
  const result = await program('shell', 'a.sh', 'read line\necho "$# $1 $line"\nexit 3', {
    args: ['a b'],
    stdin: 'ü\n',
  })
  t.match(result, { outcome: 'runtime_error', exitCode: 3, stdout: '1 a b ü\n', stage: 'run' })
})

t.test('a shell has its files, in folders too, and nothing of ours', async (t) => {
  const result = await run({
    language: 'shell',
    files: [
      { path: 'main.sh', content: 'cat sub/x.bin | od -An -tx1; ls /proc/self/fd | wc -l; ls -d /tmp/*; umask' },
      { path: 'sub/x.bin', content: Buffer.from([0, 255]).toString('base64'), encoding: 'base64' },
    ],
  })
  // 0, 1, 2, the script and the folder that is listed.
  t.match(result, { outcome: 'ok', stdout: / 00 ff\n[45]\n\/tmp\/work\n/ })
})

const C =
  '#include <stdio.h>\nint twice(int);\nint main(int n, char **a) { printf("%d %s", twice(21), a[1]); return 0; }'

t.test('C of several files is compiled, and runs with what was compiled alone', { skip: without('c') }, async (t) => {
  const files = [
    { path: 'main.c', content: C },
    { path: 'lib/twice.c', content: 'int twice(int x) { return 2 * x; }' },
  ]
  const result = await run({ language: 'c', files, args: ['x'] })
  t.match(result, { outcome: 'ok', stdout: '42 x', stage: 'run', compile: { exitCode: 0 } })
})

t.test('what does not compile is a compile error with what the compiler says', { skip: without('c') }, async (t) => {
  const result = await program('c', 'main.c', 'int main(void) { return x; }')
  t.match(result, { outcome: 'compile_error', stage: 'compile', stderr: /main\.c:1:.*error.*x/s, stdout: '' })
  t.match(result.compile, { exitCode: 1 })
  const linker = await program('c', 'main.c', 'int f(void); int main(void) { return f(); }')
  t.match(linker, { outcome: 'compile_error', stage: 'compile', stderr: /undefined reference/ })
})

t.test('a compiler has limits of its own', { skip: without('cpp') }, async (t) => {
  const endless =
    'template<int N> struct A { A<N + 1> a; static const int v = A<N + 1>::v + A<N + 2>::v; }; int x = A<0>::v; int main() {}'
  const slow = '#include <regex>\n#include <map>\n#include <iostream>\nint main() { std::regex r("a"); }'
  const [deep, late] = await Promise.all([
    program('cpp', 'main.cpp', endless),
    program('cpp', 'main.cpp', slow, { compileLimits: { cpuMs: 60 } }),
  ])
  t.match(deep.outcome, /^(compile_error|memory_limit|time_limit)$/)
  t.equal(deep.stage, 'compile')
  t.match(late, { outcome: 'time_limit', stage: 'compile' })
})

t.test(
  'a compiled program cannot be written, and has the limits of its own stage',
  { skip: without('c') },
  async (t) => {
    const source = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int n, char **a) {
  if (n > 1) for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); }
  FILE *f = fopen("/opt/program/main", "r+"); printf("%s", f ? "written" : "refused"); return 0; }`
    const limits = { memoryBytes: 64 * 1024 * 1024 }
    t.match(await program('c', 'main.c', source, { limits }), { outcome: 'ok', stdout: 'refused' })
    const bomb = await program('c', 'main.c', source, { limits, args: ['x'] })
    t.match(bomb, { outcome: 'memory_limit', stage: 'run' })
    const crash = await program('c', 'main.c', 'int main(void) { return *(volatile int *)0; }')
    t.match(crash, { outcome: 'killed', signal: 'SIGSEGV', exitCode: null })
  },
)

t.test('a command runs in place of an entry, in the folder of the files, in any language', async (t) => {
  const command = ['sh', '-c', 'echo "$0 $1"; cat data; pwd; exit 4', 'a', 'b c']
  for (const language of ['python', 'javascript', 'shell']) {
    const result = await program(language, 'data', 'd\n', { command })
    t.match(result, { outcome: 'runtime_error', exitCode: 4, stdout: 'a b c\nd\n/tmp/work\n' }, language)
  }
  const missing = await program('python', 'a', '', { command: ['no-such-program'] })
  t.match(missing, { outcome: 'runtime_error', exitCode: 127, stderr: /no-such-program.*not found/ })
})

t.test('an interpreter can be started by its name from a command', async (t) => {
  const result = await program('javascript', 'a.js', 'console.log(process.argv.length)', {
    command: ['node', 'a.js', 'x'],
  })
  t.match(result, { outcome: 'ok', stdout: '3\n' })
})

const PERL = {
  language: 'perl',
  version: ['perl', '-e', 'print "v$^V"'],
  run: ['perl', '{entry}'],
  fileName: 'main.pl',
  probe: 'exit 0',
  folders: [],
  env: { GREETING: 'hallo' },
  ownProcesses: 0,
}

t.test('a row of the operator’s table is a language', async (t) => {
  const own = await readySandbox(t, { languages: [PERL, { ...PERL, language: 'broken', probe: 'exit 1' }] })
  if ('refused' in own) return t.fail(own.refused)
  const { languages, checks } = await own.sandbox.selfTest()
  if (!languages.some(({ language }) => language === 'perl')) return t.comment('no perl here')
  const files = [
    { path: 'other.pl', content: 'die' },
    { path: 'main.pl', content: 'print "$ENV{GREETING} @ARGV"' },
  ]
  t.match(await own.run({ language: 'perl', files, args: ['x'] }), { outcome: 'ok', stdout: 'hallo x' })
  t.notOk(
    languages.some(({ language }) => language === 'broken'),
    'tools that fail cost their language',
  )
  t.match(
    checks.find(({ name }) => name === 'broken: tools'),
    { passed: false },
  )
  await t.rejects(own.run({ language: 'broken', files }), /no sandbox for broken here/)
})

t.test('a shim is no tool, and neither is what a sandbox would not see', async (t) => {
  const folder = mkdtempSync('/var/tmp/loopgate-test-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'tool'), '#!/bin/sh\necho 1.0\n', { mode: 0o755 })
  const rows = [
    { ...PERL, language: 'shim', run: [join(folder, 'tool')] },
    { ...PERL, language: 'absent', run: ['no-such-tool'] },
  ]
  const own = await readySandbox(t, { languages: rows })
  if ('refused' in own) return t.fail(own.refused)
  const { languages, checks } = await own.sandbox.selfTest()
  t.notOk(languages.some(({ language }) => language === 'shim' || language === 'absent'))
  const said = checks.map(({ detail }) => detail).join('\n')
  t.match(said, /shim: .*tool is not a program/)
  t.match(said, /absent: no no-such-tool in/)
})
